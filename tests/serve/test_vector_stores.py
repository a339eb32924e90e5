from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from tart import Document, Reranker
from tart_index import RerankingSearcher, Searcher, SearchRequest
from tart_index.searcher import Hit, SearchResult
from tart_serve import create_app
from tart_serve.store_reply import search_page

QUERY = "how do I merge two dicts"
INSTRUCTION = "Find the Python function that does this"


def search(client: TestClient, store: str = "code", **fields: object) -> dict[str, Any]:
    response = client.post(f"/v1/vector_stores/{store}/search", json={"query": QUERY, **fields})
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


def refused(client: TestClient, store: str = "code", **fields: object) -> tuple[int, dict[str, Any]]:
    response = client.post(f"/v1/vector_stores/{store}/search", json={"query": QUERY, **fields})
    assert set(response.json()) == {"error"}
    return response.status_code, response.json()["error"]


def test_a_page_has_openai_s_shape_and_the_searcher_s_hits(client: TestClient, searcher: Searcher) -> None:
    page = search(client, instruction=INSTRUCTION, max_num_results=3)
    [wanted] = searcher.search([SearchRequest(QUERY, INSTRUCTION, top_k=3)])
    assert {key: page[key] for key in ("object", "search_query", "has_more", "next_page")} == {
        "object": "vector_store.search_results.page",
        "search_query": [QUERY],
        "has_more": False,
        "next_page": None,
    }
    for found, hit in zip(page["data"], wanted.hits, strict=True):
        document = hit.document
        assert found.pop("score") == pytest.approx(hit.score, abs=1e-6)
        assert found == {
            "file_id": document.id,
            "filename": document.title or document.id,
            "attributes": dict(document.metadata),
            "content": [{"type": "text", "text": document.text}],
        }


def test_an_index_s_default_instruction_is_applied(client: TestClient, notes: Searcher) -> None:
    wanted = notes.search([SearchRequest(QUERY), SearchRequest(QUERY, "")])
    for fields, result in zip(({}, {"instruction": ""}), wanted, strict=True):
        found = [hit["score"] for hit in search(client, "notes", **fields)["data"]]
        assert found == pytest.approx([hit.score for hit in result.hits], abs=1e-6)


def test_ten_hits_by_default(client: TestClient) -> None:
    assert len(search(client)["data"]) == 10


def test_filters_and_the_threshold_narrow(client: TestClient) -> None:
    wanted = {"type": "or", "filters": [{"type": "in", "key": "number", "value": [1, 2]}]}
    assert {hit["file_id"] for hit in search(client, filters=wanted)["data"]} == {"code-1", "code-2"}
    first, second, *_ = search(client)["data"]
    between = (first["score"] + second["score"]) / 2
    assert search(client, ranking_options={"score_threshold": between})["data"] == [first]


def test_several_queries_are_put_together_by_the_best_score(client: TestClient, searcher: Searcher) -> None:
    queries = [QUERY, "sort a list by key", "sort lists"]
    best: dict[str, float] = {}
    for result in searcher.search([SearchRequest(query, top_k=30) for query in queries]):
        for hit in result.hits:
            best[hit.document.id] = max(hit.score, best.get(hit.document.id, -1.0))
    page = search(client, query=queries, max_num_results=8)
    assert page["search_query"] == queries
    assert [hit["score"] for hit in page["data"]] == pytest.approx(sorted(best.values(), reverse=True)[:8], abs=1e-6)
    assert all(best[hit["file_id"]] == pytest.approx(hit["score"], abs=1e-6) for hit in page["data"])


@pytest.mark.parametrize("ranker", ["auto", "default-2024-11-15", "tiny-reranker"])
def test_a_ranker_reranks(client: TestClient, searcher: Searcher, reranker: Reranker, ranker: str) -> None:
    page = search(client, ranking_options={"ranker": ranker}, max_num_results=4)
    [wanted] = RerankingSearcher(searcher, reranker, 50).search([SearchRequest(QUERY, top_k=4)])
    assert [hit["file_id"] for hit in page["data"]] == [hit.document.id for hit in wanted.hits]
    assert [hit["score"] for hit in page["data"]] == pytest.approx([hit.score for hit in wanted.hits], abs=1e-6)


def test_without_a_reranker_auto_is_the_cosine_and_a_name_is_refused(searcher: Searcher) -> None:
    with TestClient(create_app({"code": searcher})) as client:
        assert search(client, ranking_options={"ranker": "auto"}) == search(client, ranking_options={"ranker": "none"})
        status, error = refused(client, ranking_options={"ranker": "mine"})
    assert (status, error["param"]) == (400, "ranking_options")
    assert "there is no ranker 'mine'; there are: none, auto, default-2024-11-15" in error["message"]


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"query": ""}, "query", "the query is empty"),
        ({"query": ["a", " "]}, "query", "the query is empty"),
        ({"query": []}, "query", "at least 1 item"),
        ({"query": ["a"] * 17}, "query", "at most 16 items"),
        ({"query": 1}, "query", "a string or a list of strings"),
        ({"query": "word " * 300}, "query", "the model takes 256"),
        ({"max_num_results": 51}, "max_num_results", "less than or equal to 50"),
        ({"max_num_results": 0}, "max_num_results", "greater than or equal to 1"),
        ({"filters": {"type": "like", "key": "a", "value": "b"}}, "filters", "like"),
        ({"ranking_options": {"score_threshold": 2}}, "ranking_options", "less than or equal to 1"),
        ({"rewrite_query": True}, "rewrite_query", "does not rewrite queries"),
        ({"top_k": 3}, "top_k", "there is no field"),
    ],
)
def test_a_bad_field_is_refused_in_openai_s_words(
    client: TestClient, fields: dict[str, object], param: str, message: str
) -> None:
    status, error = refused(client, **fields)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert message in error["message"]


def test_another_vector_store_is_not_found(client: TestClient) -> None:
    status, error = refused(client, "other")
    assert (status, error["message"]) == (404, "there is no index 'other'; there are: code, notes")
    assert client.get("/v1/vector_stores/other").json()["error"]["type"] == "invalid_request_error"
    assert set(client.get("/v1/vector_stores/other/files").json()) == {"error"}


def test_indexes_are_described_as_vector_stores(client: TestClient, searcher: Searcher) -> None:
    listed = client.get("/v1/vector_stores").json()
    assert [listed[key] for key in ("object", "first_id", "last_id", "has_more")] == ["list", "code", "notes", False]
    store = client.get("/v1/vector_stores/code").json()
    assert listed["data"][0] == store
    manifest = searcher.folder.manifest
    assert store.pop("usage_bytes") == sum(file.bytes for part in manifest.parts for file in part.files.values())
    assert datetime.fromisoformat(manifest.created_at).timestamp() - store.pop("created_at") == pytest.approx(0, abs=1)
    assert store == {
        "id": "code",
        "object": "vector_store",
        "name": "code",
        "file_counts": {"in_progress": 0, "completed": 30, "failed": 0, "cancelled": 0, "total": 30},
        "status": "completed",
        "metadata": {"version": "1", "fingerprint": manifest.fingerprint, "model": "all-MiniLM-L6-v2"},
    }


def test_attributes_hold_what_openai_s_shape_can() -> None:
    document = Document("a", "text", "", {"n": 3, "x": 0.5, "yes": True, "tags": ["a", 1, None], "none": None})
    page = search_page(["q"], [SearchResult("", [Hit(1, 0.5, document)], has_more=False, tokens=3)], 10)
    attributes = page.data[0].attributes
    assert attributes == {"n": 3, "x": 0.5, "yes": True, "tags": '["a", 1, null]'}
    assert [type(attributes[key]) for key in ("n", "x", "yes")] == [int, float, bool]
