from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from tart import Reranker
from tart.errors import ModelError
from tart_index import RerankingSearcher, Searcher, SearchRequest
from tart_serve import create_app
from tart_serve.cli import serve

QUERY = "how do I merge two dicts"
INSTRUCTION = "Find the Python function that does this"


def post(client: TestClient, **fields: object) -> tuple[int, dict[str, Any]]:
    response = client.post("/v1/search", json={"index": "code", "query": QUERY, **fields})
    return response.status_code, response.json()


def test_hits_are_those_of_the_reranking_searcher(client: TestClient, searcher: Searcher, reranker: Reranker) -> None:
    status, reply = post(client, instruction=INSTRUCTION, top_k=4, offset=2, rerank={"top_n": 12})
    wanted = RerankingSearcher(searcher, reranker, 12).search([SearchRequest(QUERY, INSTRUCTION, top_k=4, offset=2)])[0]
    assert status == 200
    assert [(hit["rank"], hit["id"]) for hit in reply["data"]] == [(hit.rank, hit.document.id) for hit in wanted.hits]
    for found, hit in zip(reply["data"], wanted.hits, strict=True):
        assert found["score"] == pytest.approx(hit.score, abs=1e-6)
        assert found["retrieval_score"] == pytest.approx(hit.retrieval_score, abs=1e-6)
    assert (reply["has_more"], reply["instruction_applied"]) == (True, INSTRUCTION)
    assert list(reply["timing_ms"]) == ["queue", "encode", "search", "fetch", "rerank"]
    assert reply["timing_ms"]["rerank"] > 0


def test_without_the_field_nothing_is_reranked(client: TestClient) -> None:
    _, reply = post(client)
    assert "rerank" not in reply["timing_ms"]
    assert all("retrieval_score" not in hit for hit in reply["data"])
    assert post(client, rerank=None)[1]["data"] == reply["data"]


def test_a_batch_is_reranked_each_query_on_its_own(client: TestClient) -> None:
    status, reply = post(client, query=[QUERY, " ", "sort a list", "word " * 240], rerank={}, truncate=True, top_k=3)
    assert status == 200
    first, blank, other, long = reply["results"]
    for result, query in ((first, QUERY), (other, "sort a list")):
        alone = post(client, query=query, rerank={}, top_k=3)[1]
        assert [hit["id"] for hit in result["data"]] == [hit["id"] for hit in alone["data"]]
    assert "the query is empty" in blank["detail"]
    assert "the query takes 240 of the reranker's 96 tokens" in long["detail"]


def test_the_served_reranker_may_be_named(client: TestClient) -> None:
    named = post(client, rerank={"model": "tiny-reranker"})[1]
    assert named["data"] == post(client, rerank={})[1]["data"]
    status, reply = post(client, rerank={"model": "other"})
    assert (status, reply["errors"][0]["pointer"]) == (404, "#/rerank/model")
    assert reply["detail"] == "the reranker 'other' is not served here; there is: tiny-reranker"


def test_a_service_without_a_reranker_says_so(searcher: Searcher) -> None:
    with TestClient(create_app({"code": searcher})) as client:
        status, reply = post(client, rerank={"top_n": 10})
    assert (status, reply["errors"][0]["pointer"]) == (422, "#/rerank")
    assert "this service has no reranker" in reply["detail"]


@pytest.mark.parametrize(
    ("fields", "pointer", "message"),
    [
        ({"rerank": {"top_n": 0}}, "#/rerank/top_n", "greater than or equal to 1"),
        ({"rerank": {"top_n": 1001}}, "#/rerank/top_n", "less than or equal to 1000"),
        ({"rerank": {"depth": 5}}, "#/rerank", "there is no field"),
        ({"rerank": {"top_n": 5}, "top_k": 4, "offset": 2}, "#/rerank", "at least top_k and offset together, 6"),
        ({"rerank": {"top_n": 600}, "query": ["a", "b"]}, "#/rerank", "at most 1000; they are 1200"),
    ],
)
def test_a_field_out_of_range_is_named(
    client: TestClient, fields: dict[str, object], pointer: str, message: str
) -> None:
    status, reply = post(client, **fields)
    assert status == 422
    assert reply["errors"][0]["pointer"].startswith(pointer)
    assert message in reply["errors"][0]["detail"]


def test_the_command_refuses_a_model_that_is_no_reranker(code_folder: Path) -> None:
    result = CliRunner().invoke(serve, [str(code_folder), "--rerank", "all-MiniLM-L6-v2", "--dtype", "float32"])
    assert isinstance(result.exception, ModelError)
    assert "scores no pairs" in str(result.exception)
