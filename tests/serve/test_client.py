"""One contract for both clients, over a real service on a real socket."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import numpy as np
import pytest
from fastapi import FastAPI

from tart import Encoder
from tart_index import Searcher, SearchRequest
from tart_serve.client import (
    AsyncClient,
    BatchReply,
    Client,
    FieldError,
    InvalidRequestError,
    NotFoundError,
    QueryFault,
    RefusedError,
    SearchReply,
    UnreachableError,
    calls,
)
from tart_serve.listening import Address, base_url, listen
from tests.serve.client_faces import FACES, Face, served

MODEL = "all-MiniLM-L6-v2"
INSTRUCTION = "Find the Python function that does this"


@pytest.fixture(scope="module")
def url(app: FastAPI) -> Iterator[str]:
    """Where the service over both indexes listens."""
    with served(app) as address:
        yield address


@pytest.fixture(params=FACES)
def client(request: pytest.FixtureRequest, url: str) -> Iterator[Face]:
    face = Face(request.param, url)
    yield face
    face.end()


def test_a_search_finds_what_the_index_finds(client: Face, searcher: Searcher) -> None:
    reply = client.search("merge dictionaries", instruction=INSTRUCTION, index="code", top_k=3, offset=1)
    [wanted] = searcher.search([SearchRequest("merge dictionaries", instruction=INSTRUCTION, top_k=3, offset=1)])
    assert isinstance(reply, SearchReply)
    found = [(hit.rank, hit.id, hit.title, hit.text, hit.metadata) for hit in reply.hits]
    assert found == [
        (hit.rank, hit.document.id, hit.document.title, hit.document.text, hit.document.metadata) for hit in wanted.hits
    ]
    assert [hit.score for hit in reply.hits] == pytest.approx([hit.score for hit in wanted.hits], abs=1e-5)
    assert (reply.instruction_applied, reply.model, reply.has_more) == (INSTRUCTION, MODEL, True)
    assert (reply.index.name, reply.index.fingerprint) == ("code", searcher.folder.manifest.fingerprint)
    assert reply.prompt_tokens == wanted.tokens
    assert len(reply.request_id) == 32
    assert reply.timing_ms.encode > 0


def test_every_option_reaches_the_service(client: Face) -> None:
    fields = {"index": "code", "prompt_name": "function", "include": ("title",), "top_k": 30}
    few = client.search(
        "sort", filter={"type": "lt", "key": "number", "value": 4}, score_threshold=-1.0, truncate=True, **fields
    )
    assert sorted(hit.id for hit in few.hits) == ["code-0", "code-1", "code-2", "code-3"]
    assert few.instruction_applied == INSTRUCTION
    assert all(hit.title and not hit.text and not hit.metadata for hit in few.hits)
    assert not client.search("sort", index="code", score_threshold=1.0).hits
    reranked = client.search("sort", index="code", rerank=5, top_k=2)
    assert len(reranked.hits) == 2
    assert all(hit.retrieval_score is not None for hit in reranked.hits)
    assert client.search("sort " * 400, index="code", truncate=True).prompt_tokens == 256


def test_none_is_the_service_s_default_and_an_empty_instruction_is_none(client: Face) -> None:
    assert client.search("sort", index="notes", instruction=None).instruction_applied == (
        "Find the page that explains this"
    )
    assert client.search("sort", index="notes", instruction="").instruction_applied == ""


def test_a_batch_holds_results_and_faults_in_order(client: Face) -> None:
    reply = client.search_batch(["sort a list", "", "join paths"], index="code", top_k=1)
    assert isinstance(reply, BatchReply)
    first, fault, last = reply.results
    assert isinstance(first, SearchReply)
    assert isinstance(last, SearchReply)
    assert (first.hits[0].id, last.hits[0].id) == ("guide-1", "guide-11")
    assert isinstance(fault, QueryFault)
    assert fault.status == 422
    assert "the query is empty" in fault.detail


def test_vectors_are_the_encoder_s(client: Face, encoder: Encoder) -> None:
    reply = client.embed(["merge", "日本 \U0001f600"], model=MODEL, instruction="Find it")
    wanted = encoder.encode_queries(["merge", "日本 \U0001f600"], ["Find it"] * 2)
    assert np.allclose(np.array(reply.vectors, dtype=np.float32), wanted, atol=1e-6)
    assert (reply.model, len(reply.vectors[0])) == (MODEL, 384)
    assert len(client.embed("one", model=MODEL, input_type="document", truncate=True).vectors) == 1


def test_readiness(client: Face) -> None:
    assert client.ready().indexes == ("code", "notes")


def test_a_refusal_carries_the_problem(client: Face) -> None:
    with pytest.raises(InvalidRequestError, match=r"^422: top_k: .* \(request [0-9a-f]{32}\)$") as caught:
        client.search("a", index="code", top_k=5_000)
    refusal = caught.value
    assert (refusal.status, [error.pointer for error in refusal.errors]) == (422, ["#/top_k"])
    assert "1000" in refusal.detail
    with pytest.raises(NotFoundError) as missing:
        client.search("a", index="other")
    assert missing.value.errors == (FieldError("#/index", missing.value.detail),)


def test_a_refusal_in_openai_s_shape_carries_the_same(client: Face) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.embed("a", model="gpt")
    problem = caught.value.problem
    assert (problem.status, problem.code, problem.errors[0].pointer) == (404, "model_not_found", "#/model")
    assert len(problem.request_id) == 32


def test_one_query_and_several_are_not_mixed_up(client: Face) -> None:
    with pytest.raises(TypeError, match="search_batch for several"):
        client.search(["a", "b"], index="code")
    with pytest.raises(TypeError, match="search for one query"):
        client.search_batch("ab", index="code")


@pytest.mark.parametrize("kind", FACES)
def test_a_closed_port_is_told(kind: str) -> None:
    with listen(Address.resolve("127.0.0.1", 0)) as listener:
        free = base_url(listener)
    face = Face(kind, free)
    with pytest.raises(UnreachableError, match="is the service running"):
        face.ready()
    face.end()


def test_both_clients_have_the_same_methods_described_once() -> None:
    built = [
        name
        for name, value in vars(calls).items()
        if getattr(value, "__module__", "") == calls.__name__ and name.islower() and name[0] != "_"
    ]
    assert {"search", "search_batch", "embed", "ready"} <= set(built)
    for name in built:
        one, other = getattr(Client, name), getattr(AsyncClient, name)
        assert one.__doc__ == other.__doc__
        assert inspect.signature(one) == inspect.signature(other)
        assert next(iter(inspect.signature(one).parameters)) == "self"


def test_connections_are_kept_and_closed(url: str) -> None:
    with Client(url) as client:
        for _ in range(3):
            client.search("a", index="code", top_k=1)
    with pytest.raises(RuntimeError, match="closed"):
        client.search("a", index="code")
    assert issubclass(InvalidRequestError, RefusedError)
