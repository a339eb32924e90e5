from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tart import Document, Encoder, Reranker
from tart_index import Searcher
from tart_serve import create_app
from tart_serve.pair_scoring import SLICE, best_first
from tart_serve.service import Service

QUERY = "how do I merge two dicts"
INSTRUCTION = "Find the Python function that does this"
TEXTS = ["sort a list by key", "merge two dictionaries", "def merge(a, b): return {**a, **b}", "open a TCP socket"]
MODEL = "all-MiniLM-L6-v2"
RERANKER = "tiny-reranker"


def post(client: TestClient, path: str, **fields: object) -> Any:
    response = client.post(path, json={"query": QUERY, **fields})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(scope="module")
def bare_client(searcher: Searcher) -> Iterator[TestClient]:
    """Of a service that has no reranker."""
    with TestClient(create_app({"code": searcher})) as client:
        yield client


def documents(texts: list[str]) -> list[Document]:
    return [Document(str(number), text) for number, text in enumerate(texts)]


def cosines(encoder: Encoder, instruction: str, texts: list[str]) -> np.ndarray[Any, Any]:
    return encoder.encode_documents(documents(texts)) @ encoder.encode_queries([QUERY], [instruction])[0]


def scores_by_index(results: list[dict[str, Any]], name: str = "relevance_score") -> list[float]:
    assert [row[name] for row in results] == sorted((row[name] for row in results), reverse=True)
    return [row[name] for row in sorted(results, key=lambda row: int(row["index"]))]


@pytest.mark.parametrize("instruction", ["", INSTRUCTION])
def test_cohere_s_route_scores_with_the_reranker(client: TestClient, reranker: Reranker, instruction: str) -> None:
    reply = post(client, "/v2/rerank", model=RERANKER, documents=TEXTS, instruction=instruction)
    wanted = reranker.score(QUERY, instruction, documents(TEXTS))
    assert scores_by_index(reply["results"]) == pytest.approx(wanted.tolist(), abs=1e-6)
    assert set(reply) == {"id", "results", "meta"}
    tokens = len(reranker.tokenize(reranker.pairs(QUERY, instruction, documents(TEXTS))).tokens.ids)
    assert reply["meta"] == {"api_version": {"version": "2"}, "tokens": {"input_tokens": tokens}}


@pytest.mark.parametrize("instruction", ["", INSTRUCTION])
def test_an_embedding_model_scores_by_cosine(client: TestClient, encoder: Encoder, instruction: str) -> None:
    reply = post(client, "/v2/rerank", model=MODEL, documents=TEXTS, instruction=instruction)
    wanted = cosines(encoder, instruction, TEXTS)
    assert scores_by_index(reply["results"]) == pytest.approx(wanted.tolist(), abs=1e-5)
    assert [row["index"] for row in reply["results"]] == np.argsort(-wanted).tolist()


def test_the_best_are_kept_and_ties_stay_in_order(client: TestClient) -> None:
    every = post(client, "/v2/rerank", model=MODEL, documents=TEXTS)["results"]
    assert post(client, "/v2/rerank", model=MODEL, documents=TEXTS, top_n=2)["results"] == every[:2]
    assert post(client, "/v2/rerank", model=MODEL, documents=TEXTS, top_n=99)["results"] == every
    assert best_first([0.5, 0.7, 0.5, 0.7], None) == [1, 3, 0, 2]
    assert best_first([0.5, 0.7, 0.5, 0.7], 3) == [1, 3, 0]


@pytest.mark.parametrize("model", [MODEL, RERANKER])
def test_documents_are_read_up_to_so_many_tokens(client: TestClient, model: str) -> None:
    """Each of these words is one token."""
    long = ["merge two " + "list " * 400, "sort " * 3]
    cut = post(client, "/v2/rerank", model=model, documents=long, max_tokens_per_doc=2)
    by_hand = post(client, "/v2/rerank", model=model, documents=["merge two", "sort sort"])
    assert scores_by_index(cut["results"]) == pytest.approx(scores_by_index(by_hand["results"]), abs=1e-6)
    assert cut["meta"] == by_hand["meta"]
    whole = post(client, "/v2/rerank", model=model, documents=long, max_tokens_per_doc=5_000)
    assert whole["results"] == post(client, "/v2/rerank", model=model, documents=long)["results"]


def test_many_documents_take_several_turns(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    turns: list[int] = []
    run = type(service.engine).run

    async def counted(engine: Any, work: Any, tokens: int = 0) -> Any:
        turns.append(tokens)
        return await run(engine, work, tokens)

    texts = [f"{TEXTS[n % 4]} {n}" for n in range(2 * SLICE + 5)]
    monkeypatch.setattr(type(service.engine), "run", counted)
    together = post(client, "/v2/rerank", model=RERANKER, documents=texts)
    assert len(turns) == 3
    assert all(turns)
    monkeypatch.undo()
    one = post(client, "/v2/rerank", model=RERANKER, documents=texts[-3:])
    assert scores_by_index(together["results"])[-3:] == pytest.approx(scores_by_index(one["results"]), abs=1e-5)


def test_jina_s_route_takes_texts_and_objects(client: TestClient, reranker: Reranker) -> None:
    given = [TEXTS[0], {"text": TEXTS[1], "page": 7}, TEXTS[2]]
    reply = post(client, "/v1/rerank", model=RERANKER, documents=given, instruction=INSTRUCTION)
    wanted = reranker.score(QUERY, INSTRUCTION, documents(TEXTS[:3]))
    assert scores_by_index(reply["results"]) == pytest.approx(wanted.tolist(), abs=1e-6)
    shown = {row["index"]: row["document"] for row in reply["results"]}
    assert shown == {0: {"text": TEXTS[0]}, 1: {"text": TEXTS[1], "page": 7}, 2: {"text": TEXTS[2]}}
    assert (reply["object"], reply["model"]) == ("list", RERANKER)
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["total_tokens"] > 0
    silent = post(client, "/v1/rerank", documents=given, return_documents=False, top_n=1)
    assert [set(row) for row in silent["results"]] == [{"index", "relevance_score"}]


def test_tei_s_route_has_no_field_for_the_model(
    client: TestClient, bare_client: TestClient, reranker: Reranker, encoder: Encoder
) -> None:
    reply = post(client, "/rerank", texts=TEXTS, return_text=True, instruction=INSTRUCTION)
    wanted = reranker.score(QUERY, INSTRUCTION, documents(TEXTS))
    assert scores_by_index(reply, "score") == pytest.approx(wanted.tolist(), abs=1e-6)
    assert all(row["text"] == TEXTS[row["index"]] for row in reply)
    bare = post(bare_client, "/rerank", texts=TEXTS)
    assert scores_by_index(bare, "score") == pytest.approx(cosines(encoder, "", TEXTS).tolist(), abs=1e-5)
    assert [set(row) for row in bare] == [{"index", "score"}] * 4


def test_without_a_name_the_only_embedding_model_stands_in(bare_client: TestClient, encoder: Encoder) -> None:
    reply = post(bare_client, "/v1/rerank", documents=TEXTS)
    assert reply["model"] == MODEL
    assert scores_by_index(reply["results"]) == pytest.approx(cosines(encoder, "", TEXTS).tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"model": "gpt"}, 404, "the model 'gpt' is not served here; there are: all-MiniLM-L6-v2,"),
        ({"query": " "}, 422, "query: the query is empty"),
        ({"query": "word " * 300}, 422, "tokens"),
        ({"documents": []}, 422, "at least 1 item"),
        ({"documents": ["a"] * 1_001}, 422, "at most 1000 items"),
        ({"documents": ["a", " "]}, 422, "documents/1: found a blank text"),
        ({"documents": [1]}, 422, "documents/0: Input should be"),
        ({"top_n": 0}, 422, "top_n: Input should be greater than or equal to 1"),
        ({"max_tokens_per_doc": 0}, 422, "max_tokens_per_doc: Input should be greater than or equal to 1"),
        ({"top_k": 3}, 422, "there is no field"),
    ],
)
@pytest.mark.parametrize("path", ["/v2/rerank", "/v1/rerank"])
def test_errors_have_the_shape_of_the_route_s_clients(
    client: TestClient, path: str, fields: dict[str, object], status: int, message: str
) -> None:
    response = client.post(path, json={"query": QUERY, "model": RERANKER, "documents": ["a"], **fields})
    reply = response.json()
    assert response.status_code == status
    if path == "/v2/rerank":
        assert set(reply) == {"id", "message"}
        assert reply["id"] == response.headers["x-request-id"]
    else:
        assert (response.headers["content-type"], reply["status"]) == ("application/problem+json", status)
    assert message in (reply["message"] if path == "/v2/rerank" else reply["detail"])


def test_an_object_without_a_text_is_pointed_at(client: TestClient) -> None:
    response = client.post("/v1/rerank", json={"query": QUERY, "documents": ["a", {"body": "b"}]})
    assert response.json()["errors"] == [
        {"pointer": "#/documents/1/text", "detail": "this field is missing; it has no default"}
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"texts": []}, "at least 1 item"),
        ({"raw_scores": True}, "gives no raw scores"),
        ({"truncate": False}, "always cuts a text"),
        ({"raw_scores": 0}, "a valid boolean"),
    ],
)
def test_tei_s_errors_have_its_shape(client: TestClient, fields: dict[str, object], message: str) -> None:
    response = client.post("/rerank", json={"query": QUERY, "texts": ["a"], **fields})
    assert (response.status_code, set(response.json())) == (422, {"error", "error_type"})
    assert response.json()["error_type"] == "Validation"
    assert message in response.json()["error"]


def test_several_embedding_models_must_be_told_apart(searcher: Searcher, notes: Searcher) -> None:
    other = type(notes).__new__(type(notes))
    other.__dict__.update(notes.__dict__)
    other.encoder = type(notes.encoder).__new__(type(notes.encoder))
    other.encoder.__dict__.update(notes.encoder.__dict__)
    other.encoder.name, other.encoder.fingerprint = "org/other", "sha256:other"
    with TestClient(create_app({"code": searcher, "notes": other})) as client:
        response = client.post("/v1/rerank", json={"query": QUERY, "documents": ["a"]})
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "#/model"
        assert f"several models are served; name one of: {MODEL}, org/other" in response.json()["detail"]
        assert post(client, "/v1/rerank", model="other", documents=["a"])["model"] == "org/other"
