from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tart import Document
from tart_index import Searcher

TARGETS = ["sort a list by key", "merge two dictionaries", "sort a list by key"]


def asked(client: TestClient, **body: Any) -> Any:
    reply = client.post("/v1/select", json={"targets": TARGETS, "index": "code", **body})
    assert reply.status_code == 200, reply.text
    return reply.json()


def similarities(searcher: Searcher, instruction: str = "") -> np.ndarray[Any, np.dtype[np.float32]]:
    """Shape: (targets, documents)."""
    encoder = searcher.encoder
    if instruction:
        vectors = encoder.encode_queries(TARGETS, [instruction] * len(TARGETS))
    else:
        vectors = encoder.encode_documents(Document(str(n), text) for n, text in enumerate(TARGETS))
    return vectors @ np.concatenate(searcher.folder.vectors).T


def test_deft_counts_the_targets_of_a_document(client: TestClient, searcher: Searcher) -> None:
    scores = similarities(searcher)
    ids = list(searcher.folder.ids())
    near = [[ids[row] for row in np.argsort(-one, kind="stable")[:4]] for one in scores]
    reply = asked(client, neighbours=4, budget=500)
    counts = {one["id"]: one["count"] for one in reply["data"]}
    assert counts == {document: sum(document in list_ for list_ in near) for document in {i for n in near for i in n}}
    assert reply["candidates"] == len(counts)
    assert [one["rank"] for one in reply["data"]] == list(range(1, len(counts) + 1))
    assert [one["count"] for one in reply["data"]] == sorted(counts.values(), reverse=True)
    assert set(reply["data"][0]) == {"rank", "id", "score", "count", "chosen_by"}


def test_rds_takes_the_nearest_under_the_instruction(client: TestClient, searcher: Searcher) -> None:
    instruction = "Find the guide that explains this"
    scores = similarities(searcher, instruction)
    ids = list(searcher.folder.ids())
    wanted = [ids[row] for row in np.argsort(-scores.max(axis=0), kind="stable")[:5]]
    reply = asked(client, method="rds", budget=5, instruction=f" {instruction} ")
    assert [one["id"] for one in reply["data"]] == wanted
    assert [one["score"] for one in reply["data"]] == pytest.approx(np.sort(scores.max(axis=0))[::-1][:5], abs=1e-4)
    assert reply["instruction_applied"] == instruction
    # The first and the last target are one text: the first counts.
    assert {one["chosen_by"] for one in reply["data"]} <= {0, 1}


def test_round_robin_serves_every_target(client: TestClient, searcher: Searcher) -> None:
    ids = list(searcher.folder.ids())
    orders = [[ids[row] for row in np.argsort(-one, kind="stable")] for one in similarities(searcher)]
    wanted: list[str] = []
    for turn in range(4):
        wanted.append(next(document for document in orders[turn % 3] if document not in wanted))
    reply = asked(client, method="round-robin", budget=4, include=["text", "metadata"])
    assert [one["id"] for one in reply["data"]] == wanted
    assert [one["chosen_by"] for one in reply["data"]] == [0, 1, 2, 0]
    assert reply["data"][0]["text"] == searcher.folder.document(ids.index(wanted[0])).text
    assert reply["index"]["name"] == "code"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"targets": []}, "#/targets"),
        ({"targets": ["ok", "  "]}, "#/targets/1"),
        ({"targets": ["ok"], "method": "bm25"}, "#/method"),
        ({"targets": ["ok"], "budget": 501}, "#/budget"),
        ({"targets": ["ok"], "neighbours": 0}, "#/neighbours"),
        ({"targets": ["ok"], "no_such": 1}, "#/no_such"),
        ({"targets": ["x"] * 65}, "#/targets"),
    ],
)
def test_a_bad_field_is_pointed_to(client: TestClient, body: dict[str, Any], pointer: str) -> None:
    reply = client.post("/v1/select", json={"index": "code", **body})
    assert reply.status_code == 422
    assert [one["pointer"] for one in reply.json()["errors"]] == [pointer]


def test_an_unknown_index_is_404(client: TestClient) -> None:
    reply = client.post("/v1/select", json={"targets": ["x"], "index": "none"})
    assert reply.status_code == 404


def test_an_instruction_that_fills_the_model_is_refused(client: TestClient) -> None:
    reply = client.post("/v1/select", json={"targets": ["x"], "index": "code", "instruction": "find " * 600})
    assert reply.status_code == 422
    assert "the instruction alone takes" in reply.json()["detail"]
