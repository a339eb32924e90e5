from __future__ import annotations

import copy

import pytest
from starlette.testclient import TestClient

from tart import Encoder
from tart.formats import PLAIN
from tart_index import Searcher
from tart_serve import create_app
from tart_serve.served_models import ServedModels

MODEL = {
    "id": "all-MiniLM-L6-v2",
    "object": "model",
    "created": 0,
    "owned_by": "tart",
    "kind": "embedding",
    "max_tokens": 256,
    "dimensions": 384,
}
RERANKER = {**MODEL, "id": "tiny-reranker", "kind": "reranker", "max_tokens": 96, "dimensions": None}


def test_models_are_listed_once_though_two_indexes_use_one(client: TestClient) -> None:
    assert client.get("/v1/models").json() == {"object": "list", "data": [MODEL, RERANKER]}


def test_a_service_without_a_reranker_lists_none(searcher: Searcher) -> None:
    with TestClient(create_app({"code": searcher})) as client:
        assert client.get("/v1/models").json()["data"] == [MODEL]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("all-MiniLM-L6-v2", MODEL),
        ("sentence-transformers/all-MiniLM-L6-v2", MODEL),
        ("sentence-transformers%2Fall-MiniLM-L6-v2", MODEL),
        ("all-MiniLM-L6-v2:tart", MODEL),
        ("tiny-reranker", RERANKER),
    ],
)
def test_a_model_is_found_by_any_of_its_names(client: TestClient, name: str, model: dict[str, object]) -> None:
    assert client.get(f"/v1/models/{name}").json() == model


def test_another_model_is_not_found_in_openai_s_words(client: TestClient) -> None:
    response = client.get("/v1/models/openai/gpt")
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "'openai/gpt' is not served here; there are: all-MiniLM-L6-v2," in error["message"]
    assert "tiny-reranker" in error["message"]


def test_models_of_one_name_are_listed_with_their_formats(encoder: Encoder) -> None:
    plain = copy.copy(encoder)
    plain.input_format = PLAIN
    assert [name for name, _ in ServedModels([encoder, plain])] == ["all-MiniLM-L6-v2:tart", "all-MiniLM-L6-v2:plain"]


def test_the_organisation_owns_a_model(encoder: Encoder, searcher: Searcher) -> None:
    other = copy.copy(searcher)
    other.encoder = copy.copy(encoder)
    other.encoder.name = "org/name"
    with TestClient(create_app({"code": other})) as client:
        [model] = client.get("/v1/models").json()["data"]
    assert (model["id"], model["owned_by"]) == ("org/name", "org")
