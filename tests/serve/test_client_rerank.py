"""The client on the routes for texts without an index, and for what may be said as an instruction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fastapi import FastAPI

from tart import Document, Encoder
from tart_serve.client import NotFoundError
from tests.serve.client_faces import FACES, Face, served

MODEL = "all-MiniLM-L6-v2"
TEXTS = ["open a TCP socket", "merge two dictionaries", "hash a password"]


@pytest.fixture(scope="module")
def url(app: FastAPI) -> Iterator[str]:
    with served(app) as address:
        yield address


@pytest.fixture(params=FACES)
def client(request: pytest.FixtureRequest, url: str) -> Iterator[Face]:
    face = Face(request.param, url)
    yield face
    face.end()


def test_texts_are_put_in_order_by_an_embedding_model(client: Face, encoder: Encoder) -> None:
    reply = client.rerank("combine dicts", TEXTS, model=MODEL, instruction="Find the function", top_n=2)
    [query] = encoder.encode_queries(["combine dicts"], ["Find the function"])
    cosines = encoder.encode_documents([Document(str(n), text) for n, text in enumerate(TEXTS)]) @ query
    best = np.argsort(-cosines)[:2]
    assert [ranked.index for ranked in reply.results] == best.tolist()
    assert [ranked.relevance_score for ranked in reply.results] == pytest.approx(cosines[best].tolist(), abs=1e-5)
    assert reply.model == MODEL
    assert reply.prompt_tokens > 0
    assert len(reply.request_id) == 32


def test_the_served_reranker_is_the_default(client: Face) -> None:
    reply = client.rerank("combine dicts", TEXTS)
    assert sorted(ranked.index for ranked in reply.results) == [0, 1, 2]
    assert reply.model != MODEL
    with pytest.raises(NotFoundError):
        client.rerank("combine dicts", TEXTS, model="other")


def test_instructions(client: Face) -> None:
    found = client.instructions()
    assert found.indexes["code"].named == {"function": "Find the Python function that does this"}
    assert found.indexes["notes"].default == "Find the page that explains this"
    for words in (found.intents, found.domains, found.units, found.examples):
        assert words
        assert all(isinstance(word, str) for word in words)
