from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tart_index import Searcher, SearchRequest
from tart_index.searcher import SearchResult

QUERY = "how do I merge two dicts"
INSTRUCTION = "Find the Python function that does this"
LONG = " ".join(["word"] * 400)


def as_data(result: SearchResult) -> list[dict[str, object]]:
    """Hits as the service should show them."""
    return [
        {
            "rank": hit.rank,
            "id": hit.document.id,
            "score": hit.score,
            "title": hit.document.title,
            "text": hit.document.text,
            "metadata": dict(hit.document.metadata),
        }
        for hit in result.hits
    ]


def search(client: TestClient, **fields: object) -> dict[str, object]:
    response = client.post("/v1/search", json={"index": "code", **fields})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    reply: dict[str, object] = response.json()
    return reply


def test_a_reply_has_exactly_the_documented_shape(client: TestClient, searcher: Searcher) -> None:
    response = client.post("/v1/search", json={"query": QUERY, "instruction": INSTRUCTION, "index": "code", "top_k": 3})
    expected = searcher.search([SearchRequest(QUERY, INSTRUCTION, top_k=3)])[0]
    reply = response.json()
    timing = reply.pop("timing_ms")
    assert reply == {
        "object": "search.results",
        "request_id": response.headers["x-request-id"],
        "index": {"name": "code", "version": "1", "fingerprint": searcher.folder.manifest.fingerprint},
        "model": "all-MiniLM-L6-v2",
        "instruction_applied": INSTRUCTION,
        "data": as_data(expected),
        "has_more": True,
        "usage": {"prompt_tokens": expected.tokens},
    }
    assert list(timing) == ["queue", "encode", "search", "fetch"]
    assert all(0 <= milliseconds < 60_000 for milliseconds in timing.values())
    assert timing["encode"] > 0


def test_another_instruction_gives_other_hits(client: TestClient, searcher: Searcher) -> None:
    for instruction in (INSTRUCTION, "Find the documentation page that explains this", ""):
        expected = searcher.search([SearchRequest(QUERY, instruction)])[0]
        assert search(client, query=QUERY, instruction=instruction)["data"] == as_data(expected)


def test_pages_follow_each_other_and_end(client: TestClient, searcher: Searcher) -> None:
    everything = as_data(searcher.search([SearchRequest(QUERY, top_k=30)])[0])
    first = search(client, query=QUERY, top_k=20)
    second = search(client, query=QUERY, top_k=20, offset=20)
    assert [first["data"], second["data"]] == [everything[:20], everything[20:]]
    assert [first["has_more"], second["has_more"]] == [True, False]
    assert search(client, query=QUERY, top_k=1, offset=999)["data"] == []


def test_hits_below_the_threshold_are_left_out(client: TestClient, searcher: Searcher) -> None:
    everything = as_data(searcher.search([SearchRequest(QUERY, top_k=30)])[0])
    reply = search(client, query=QUERY, top_k=30, score_threshold=0.2)
    assert reply["data"] == [hit for hit in everything if float(str(hit["score"])) >= 0.2]
    assert 0 < len(everything) - len(list(reply["data"])) < 30
    assert reply["has_more"] is False


@pytest.mark.parametrize("include", [[], ["text"], ["title", "metadata"], ["text", "text"]])
def test_a_hit_carries_what_was_asked_for(client: TestClient, include: list[str]) -> None:
    reply = client.post("/v1/search", json={"query": QUERY, "index": "code", "include": include}).json()
    assert {frozenset(hit) for hit in reply["data"]} == {frozenset(["rank", "id", "score", *include])}


def test_exact_search_gives_the_same(client: TestClient) -> None:
    assert search(client, query=QUERY, exact=True)["data"] == search(client, query=QUERY, exact=False)["data"]


def test_the_instruction_is_the_index_s_own_unless_the_request_says_otherwise(client: TestClient) -> None:
    default = "Find the page that explains this"
    assert search(client, query=QUERY, index="notes")["instruction_applied"] == default
    assert search(client, query=QUERY, index="notes", instruction=None)["instruction_applied"] == default
    assert search(client, query=QUERY, index="notes", instruction="")["instruction_applied"] == ""
    assert search(client, query=QUERY)["instruction_applied"] == ""


def test_a_named_instruction_is_applied(client: TestClient) -> None:
    named = search(client, query=QUERY, prompt_name="function")
    assert named["instruction_applied"] == INSTRUCTION
    assert named["data"] == search(client, query=QUERY, instruction=INSTRUCTION)["data"]


def test_a_long_query_is_cut_only_on_request(client: TestClient, searcher: Searcher) -> None:
    reply = search(client, query=LONG, instruction=INSTRUCTION, truncate=True)
    expected = searcher.search([SearchRequest(LONG, INSTRUCTION, truncate=True)])[0]
    assert reply["data"] == as_data(expected)
    assert reply["usage"] == {"prompt_tokens": 256}


def test_queries_of_a_batch_are_answered_each_on_its_own(client: TestClient, searcher: Searcher) -> None:
    queries = [QUERY, "   ", "sort a list", LONG]
    response = client.post("/v1/search", json={"query": queries, "index": "code", "top_k": 2})
    reply = response.json()
    assert (response.status_code, reply["object"]) == (200, "search.batch")
    assert reply["request_id"] == response.headers["x-request-id"]
    good, blank, other, long = reply["results"]
    for result, query in ((good, QUERY), (other, "sort a list")):
        expected = searcher.search([SearchRequest(query, top_k=2)])[0]
        assert [hit["id"] for hit in result["data"]] == [hit.document.id for hit in expected.hits]
        assert [hit["score"] for hit in result["data"]] == pytest.approx([hit.score for hit in expected.hits], abs=1e-5)
        assert result["object"] == "search.results"
        assert set(result) == set(search(client, query=QUERY))
    title = "Unprocessable Content"
    assert blank == {
        "object": "error",
        "status": 422,
        "title": title,
        "detail": "the query is empty; say what to look for",
    }
    assert (long["object"], long["status"], long["title"]) == ("error", 422, title)
    assert "402 tokens" in long["detail"]


def test_a_batch_of_one_is_still_a_batch(client: TestClient) -> None:
    reply = search(client, query=[QUERY])
    assert reply["object"] == "search.batch"
    assert len(list(reply["results"])) == 1  # type: ignore[call-overload]


def test_a_batch_of_bad_queries_only(client: TestClient) -> None:
    reply = client.post("/v1/search", json={"index": "code", "query": ["", " "]}).json()
    assert [result["status"] for result in reply["results"]] == [422, 422]


def test_the_largest_batch_and_page(client: TestClient) -> None:
    reply = client.post("/v1/search", json={"index": "notes", "query": ["a"] * 64, "top_k": 1000, "include": []}).json()
    assert [len(result["data"]) for result in reply["results"]] == [5] * 64


def test_a_query_may_hold_any_characters(client: TestClient) -> None:
    for query in ("nul \x00 inside", "\x00", "日本 \U0001f600", "{instruction} {query}", "[SEP]"):
        assert search(client, query=query, instruction=query)["object"] == "search.results"
