from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from tart import Document, Encoder

MODEL = "all-MiniLM-L6-v2"
TEXTS = ["merge two dicts", "how to sort a list", "日本 \U0001f600"]
LONG = "word " * 300


def embed(client: TestClient, given: object, **fields: object) -> dict[str, Any]:
    response = client.post("/v1/embeddings", json={"input": given, "model": MODEL, **fields})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def vectors(reply: dict[str, Any]) -> NDArray[np.float32]:
    return np.array([row["embedding"] for row in reply["data"]], dtype=np.float32)


def error(client: TestClient, **fields: object) -> tuple[int, dict[str, Any]]:
    response = client.post("/v1/embeddings", json={"model": MODEL, "input": "a", **fields})
    assert set(response.json()) == {"error"}
    return response.status_code, response.json()["error"]


def test_texts_are_embedded_as_queries(client: TestClient, encoder: Encoder) -> None:
    reply = embed(client, TEXTS)
    assert np.array_equal(vectors(reply), encoder.encode_queries(TEXTS))
    assert [(row["object"], row["index"]) for row in reply["data"]] == [("embedding", n) for n in range(3)]
    tokens = len(encoder.tokenize_queries(TEXTS).ids)
    assert reply["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert (reply["object"], reply["model"]) == ("list", MODEL)
    assert set(reply) == {"object", "data", "model", "usage"}


def test_openai_s_user_is_accepted_and_changes_nothing(client: TestClient) -> None:
    assert embed(client, TEXTS, user="somebody")["data"] == embed(client, TEXTS)["data"]


def test_one_text_is_a_list_of_one(client: TestClient) -> None:
    assert vectors(embed(client, TEXTS[0])).tolist() == vectors(embed(client, TEXTS[:1])).tolist()


def test_the_instruction_is_applied(client: TestClient, encoder: Encoder) -> None:
    expected = encoder.encode_queries(TEXTS, ["Find a function"] * 3)
    assert np.array_equal(vectors(embed(client, TEXTS, instruction="Find a function")), expected)
    assert not np.allclose(expected, encoder.encode_queries(TEXTS))


def test_documents_are_embedded_as_an_index_does(client: TestClient, encoder: Encoder) -> None:
    expected = encoder.encode_documents([Document("a", text) for text in TEXTS])
    assert np.array_equal(vectors(embed(client, TEXTS, input_type="document")), expected)


def test_base64_holds_the_same_numbers_in_little_endian_float32(client: TestClient) -> None:
    encoded = embed(client, TEXTS, encoding_format="base64")
    decoded = [np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4") for row in encoded["data"]]
    assert np.array_equal(np.array(decoded), vectors(embed(client, TEXTS)))


def test_token_ids_are_embedded_between_the_special_tokens(client: TestClient, encoder: Encoder) -> None:
    tokens = encoder.tokenize_queries(TEXTS)
    bare = [tokens[row][1:-1].tolist() for row in range(3)]
    assert np.allclose(vectors(embed(client, bare)), encoder.encode_queries(TEXTS), atol=1e-6)
    assert np.allclose(vectors(embed(client, bare[0])), encoder.encode_queries(TEXTS[:1]), atol=1e-6)
    assert embed(client, bare)["usage"]["prompt_tokens"] == len(tokens.ids)


@pytest.mark.parametrize("given", [LONG, [LONG], [1_000] * 300])
@pytest.mark.parametrize("input_type", ["query", "document"])
def test_an_input_that_is_too_long_is_cut_only_on_request(client: TestClient, given: object, input_type: str) -> None:
    side = {} if given == [1_000] * 300 else {"input_type": input_type}
    status, found = error(client, input=given, **side)
    assert (status, found["param"], found["code"]) == (400, "input", "context_length_exceeded")
    assert "256" in found["message"]
    assert embed(client, given, truncate=True, **side)["usage"]["prompt_tokens"] == 256


def test_the_message_counts_inputs_from_zero(client: TestClient) -> None:
    assert "input 1 " in error(client, input=["short", LONG])[1]["message"]
    assert "text 1 is blank" in error(client, input=["short", "  "])[1]["message"]


@pytest.mark.parametrize("name", [MODEL, f"sentence-transformers/{MODEL}", f"{MODEL}:tart"])
def test_the_model_answers_to_its_names(client: TestClient, name: str) -> None:
    assert embed(client, "a", model=name)["model"] == MODEL


def test_another_model_is_not_found(client: TestClient) -> None:
    status, found = error(client, model="text-embedding-3-small")
    assert (status, found["type"], found["param"], found["code"]) == (
        404,
        "invalid_request_error",
        "model",
        "model_not_found",
    )
    assert MODEL in found["message"]


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"input": ""}, "input", "String should have at least 1 character"),
        ({"input": " "}, "input", "text 0 is blank"),
        ({"input": []}, "input", "List should have at least 1 item"),
        ({"input": [""]}, "input", "String should have at least 1 character"),
        ({"input": [[]]}, "input", "List should have at least 1 item"),
        ({"input": ["a"] * 2_049}, "input", "List should have at most 2048 items"),
        ({"input": None}, "input", "Input should be a string, a list of strings, a list of token ids"),
        ({"input": ["a", 1]}, "input", "Input should be a valid string; found 1"),
        ({"input": [1, "a"]}, "input", "Input should be a valid integer"),
        ({"input": [[1], 2]}, "input", "Input should be a valid list"),
        ({"input": [True]}, "input", "Input should be a valid integer"),
        ({"input": [-1]}, "input", "text 0: found token id -1; wanted ids from 0 to 30521"),
        ({"input": [[1], [30_522]]}, "input", "text 1: found token id 30522; wanted ids from 0 to 30521"),
        ({"input": [2**70]}, "input", "text 0: found token id 1180591620717411303424; wanted ids from 0 to 30521"),
        ({"input": [5], "instruction": "find"}, "instruction", "it applies to texts, and the input is token ids"),
        ({"input": [5], "input_type": "query"}, "input_type", "it applies to texts, and the input is token ids"),
        ({"input_type": "document", "instruction": "find"}, "instruction", "an instruction belongs to queries"),
        ({"input_type": "passage"}, "input_type", "Input should be 'query' or 'document'; found \"passage\""),
        ({"instruction": LONG}, "instruction", "the instruction alone takes"),
        ({"dimensions": 383}, "dimensions", "found 383; this model gives vectors of 384 numbers"),
        ({"dimensions": 0}, "dimensions", "Input should be greater than or equal to 1"),
        ({"encoding_format": "int8"}, "encoding_format", "Input should be 'float' or 'base64'"),
        ({"model": None}, "model", "Input should be a valid string"),
        ({"suffix": "me"}, "suffix", "there is no field"),
    ],
)
def test_errors_have_openai_s_shape(client: TestClient, fields: dict[str, object], param: str, message: str) -> None:
    status, found = error(client, **fields)
    assert (status, found["type"], found["param"]) == (400, "invalid_request_error", param)
    assert message in found["message"]


def test_the_model_s_own_dimensions_may_be_said(client: TestClient) -> None:
    assert vectors(embed(client, "a", dimensions=384)).shape == (1, 384)
    assert vectors(embed(client, "a", dimensions=None)).shape == (1, 384)


def test_the_most_inputs(client: TestClient) -> None:
    assert len(embed(client, [[1_000]] * 2_048, encoding_format="base64")["data"]) == 2_048
