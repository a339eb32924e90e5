"""The engine's answers are those of the searcher, whatever shares a batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tart import Encoder, Reranker
from tart.errors import QueryError
from tart.tokens import Tokens
from tart_index import RerankingSearcher, Searcher, SearchRequest
from tart_index.filters import Filter, parse_filter
from tart_index.searcher import SearchResult
from tart_serve.caller import Caller, working_for
from tart_serve.engine import Engine
from tart_serve.engine_settings import EngineSettings
from tart_serve.lanes import Lanes
from tart_serve.refusal import Refusal
from tart_serve.schemas.search import RerankBody
from tart_serve.served_indexes import ServedIndex
from tart_serve.served_reranker import ServedReranker
from tests.serve.held_model import held, waiting

T = TypeVar("T")
QUERIES = ["merge two dicts", "open a socket", "sort", "hash a password", "", "x " * 300]
INSTRUCTIONS = [None, "", "Find the function", "Find the guide"]
FILTERS: list[Filter | None] = [
    None,
    parse_filter({"type": "eq", "key": "kind", "value": "code"}),
    parse_filter({"type": "gte", "key": "number", "value": 7}),
    parse_filter({"type": "eq", "key": "kind", "value": "nowhere"}),
]
REQUESTS = st.builds(
    SearchRequest,
    st.sampled_from(QUERIES),
    instruction=st.sampled_from(INSTRUCTIONS),
    top_k=st.sampled_from([1, 3, 30]),
    offset=st.sampled_from([0, 2]),
    score_threshold=st.sampled_from([None, 0.3]),
    truncate=st.booleans(),
    filter=st.sampled_from(FILTERS),
)
CALLERS = st.tuples(st.sampled_from(["code", "notes"]), st.lists(REQUESTS, min_size=1, max_size=3), st.booleans())


@asynccontextmanager
async def engine_of(reranker: Reranker | None = None, lanes: int = 1, **values: Any) -> AsyncIterator[Engine]:
    engine = Engine(Lanes(lanes), ServedReranker(reranker), EngineSettings(**values))
    try:
        yield engine
    finally:
        await engine.close()


def served(name: str, searcher: Searcher) -> ServedIndex:
    return ServedIndex(name, searcher, "1", searcher.folder.manifest.fingerprint)


class CountingEncoder:
    """Notes the texts that the model really read."""

    def __init__(self, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[bytes]] = []
        embed = encoder.embed

        def counted(tokens: Tokens, *rest: Any) -> np.ndarray[Any, Any]:
            self.batches.append([tokens[row].tobytes() for row in range(len(tokens))])
            return embed(tokens, *rest)

        monkeypatch.setattr(encoder, "embed", counted)

    @property
    def texts(self) -> list[bytes]:
        return [text for batch in self.batches for text in batch]


def assert_same(found: SearchResult | QueryError, wanted: SearchResult | QueryError) -> None:
    """The same hits; where two scores are equal to rounding, in either order."""
    if isinstance(wanted, QueryError):
        assert isinstance(found, QueryError)
        assert str(found) == str(wanted)
        return
    assert isinstance(found, SearchResult)
    assert found._replace(hits=[]) == wanted._replace(hits=[])
    assert [hit.rank for hit in found.hits] == [hit.rank for hit in wanted.hits]
    assert [hit.score for hit in found.hits] == pytest.approx([hit.score for hit in wanted.hits], abs=1e-5)
    for ours, theirs in zip(found.hits, wanted.hits, strict=True):
        assert ours.document == theirs.document or abs(ours.score - theirs.score) < 1e-5


def direct(searcher: Searcher | RerankingSearcher, request: SearchRequest) -> SearchResult | QueryError:
    try:
        return searcher.search([request])[0]
    except QueryError as error:
        return error


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(callers=st.lists(CALLERS, min_size=1, max_size=12))
def test_answers_under_concurrency_are_those_of_the_searcher(
    searcher: Searcher,
    notes: Searcher,
    reranker: Reranker,
    callers: list[tuple[str, list[SearchRequest], bool]],
) -> None:
    searchers = {"code": searcher, "notes": notes}

    async def ask() -> list[Sequence[SearchResult | QueryError]]:
        async with engine_of(reranker, batch_tokens=100) as engine, held(engine) as release:
            asked = [
                asyncio.create_task(
                    engine.search(served(name, searchers[name]), requests, RerankBody(top_n=4) if rerank else None)
                )
                for name, requests, rerank in callers
            ]
            await waiting(engine, 1 + len(callers))
            release.set()
            return [(await one).answer.outcomes for one in asked]

    for (name, requests, rerank), outcomes in zip(callers, asyncio.run(ask()), strict=True):
        alone = RerankingSearcher(searchers[name], reranker, 4) if rerank else searchers[name]
        assert len(outcomes) == len(requests)
        for request, outcome in zip(requests, outcomes, strict=True):
            assert_same(outcome, direct(alone, request))


def test_what_waits_together_is_encoded_once_a_text_and_searched_once_an_index(
    searcher: Searcher, notes: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = CountingEncoder(searcher.encoder, monkeypatch)
    searches: list[int] = []
    for one in (searcher, notes):
        answer = one.answer
        monkeypatch.setattr(
            one,
            "answer",
            lambda prepared, vectors, answer=answer: searches.append(len(prepared)) or answer(prepared, vectors),
        )

    async def ask() -> None:
        async with engine_of() as engine, held(engine) as release:
            asked = [
                asyncio.create_task(engine.search(index, [SearchRequest(query, instruction="Find the function")]))
                for index in (served("code", searcher), served("notes", notes))
                for query in ("merge", "sort", "merge", "merge")
            ]
            await waiting(engine, 9)
            release.set()
            await asyncio.gather(*asked)

    asyncio.run(ask())
    assert [len(batch) for batch in counted.batches] == [2]
    assert searches == [4, 4]


def test_the_cache_tells_apart_whatever_changes_a_vector_or_an_answer(
    searcher: Searcher, notes: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = CountingEncoder(searcher.encoder, monkeypatch)
    code = served("code", searcher)
    long = "sort " * 300
    steps: list[tuple[ServedIndex, SearchRequest, int]] = [
        (code, SearchRequest("merge", instruction=""), 1),
        (code, SearchRequest("merge", instruction="", top_k=2), 0),
        (code, SearchRequest("merge", instruction="", filter=FILTERS[1]), 0),
        (code, SearchRequest("merge", instruction="Find the guide"), 1),
        (served("notes", notes), SearchRequest("merge", instruction=""), 0),
        (served("notes", notes), SearchRequest("merge"), 1),
        (code, SearchRequest(long, instruction="", truncate=True), 1),
        (code, SearchRequest(long, instruction=""), 0),
    ]

    async def ask() -> list[tuple[SearchResult | QueryError, int]]:
        found = []
        async with engine_of() as engine:
            for index, request, _ in steps:
                before = len(counted.texts)
                [outcome] = (await engine.search(index, [request])).answer.outcomes
                found.append((outcome, len(counted.texts) - before))
        return found

    found = asyncio.run(ask())
    assert [embedded for _, embedded in found] == [wanted for *_, wanted in steps]
    for (index, request, _), (outcome, _) in zip(steps, found, strict=True):
        assert_same(outcome, direct(index.searcher, request))


@pytest.mark.parametrize(
    ("queries", "size", "embedded"), [("abab", 0, 4), ("abab", 1, 4), ("abab", 2, 2), ("abacab", 2, 4)]
)
def test_the_cache_keeps_the_vectors_used_last(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch, queries: str, size: int, embedded: int
) -> None:
    counted = CountingEncoder(searcher.encoder, monkeypatch)

    async def ask() -> None:
        async with engine_of(cached_vectors=size) as engine:
            for query in queries:
                await engine.search(served("code", searcher), [SearchRequest(query)])

    asyncio.run(ask())
    assert len(counted.texts) == embedded


def test_one_failing_caller_fails_nobody_else(
    searcher: Searcher, notes: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Tokens:
        raise RuntimeError("damaged")

    monkeypatch.setattr(notes, "answer", fail)

    async def ask() -> list[Any]:
        async with engine_of() as engine, held(engine) as release:
            asked: list[Awaitable[Any]] = [
                engine.search(served("code", searcher), [SearchRequest("merge")]),
                engine.search(served("notes", notes), [SearchRequest("merge")]),
                engine.embed(searcher.encoder, fail, 1),
                engine.embed(searcher.encoder, lambda: searcher.encoder.tokenize_queries(["sort"]), 1),
                engine.run(fail),
            ]
            tasks = [asyncio.ensure_future(one) for one in asked]
            await waiting(engine, 6)
            release.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    good, *bad, embedded, called = asyncio.run(ask())
    assert_same(good.answer.outcomes[0], direct(searcher, SearchRequest("merge")))
    assert [repr(one) for one in [*bad, called]] == ["RuntimeError('damaged')"] * 3
    assert embedded[0].vectors == pytest.approx(searcher.encoder.encode_queries(["sort"]), abs=1e-6)


def test_a_large_request_goes_in_slices_and_others_have_their_turn_between_them(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = searcher.encoder
    texts = [f"{'word ' * (number % 5)}{number}" for number in range(12)]
    wanted = encoder.encode_queries(texts)
    order: list[str] = []

    async def ask() -> tuple[np.ndarray[Any, Any], int]:
        async with engine_of(batch_tokens=20) as engine:
            slices = asyncio.create_task(engine.embed(encoder, lambda: encoder.tokenize_queries(texts), 60))
            slices.add_done_callback(lambda _: order.append("slices"))
            async with held(engine):
                search = asyncio.create_task(engine.search(served("code", searcher), [SearchRequest("merge")]))
                search.add_done_callback(lambda _: order.append("search"))
                await waiting(engine, 3)
            embedded, _ = await slices
            await search
            return embedded.vectors, embedded.tokens

    vectors, tokens = asyncio.run(ask())
    assert order == ["search", "slices"]
    assert tokens == len(encoder.tokenize_queries(texts).ids) > 2 * 20
    assert vectors == pytest.approx(wanted, abs=1e-5)


def test_a_busy_lane_does_not_keep_another_from_answering(searcher: Searcher) -> None:
    async def ask() -> SearchResult | QueryError:
        async with engine_of(lanes=2) as engine, held(engine):
            return (await engine.search(served("code", searcher), [SearchRequest("merge")])).answer.outcomes[0]

    assert_same(asyncio.run(ask()), direct(searcher, SearchRequest("merge")))


@pytest.mark.parametrize(("lanes", "batches"), [(1, [6]), (2, [3, 3]), (3, [2, 2, 2])])
def test_what_waits_is_divided_among_the_free_lanes(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch, lanes: int, batches: list[int]
) -> None:
    counted = CountingEncoder(searcher.encoder, monkeypatch)

    async def ask() -> None:
        async with engine_of(lanes=lanes) as engine:
            index = served("code", searcher)
            await asyncio.gather(*(engine.search(index, [SearchRequest(f"merge {letter}")]) for letter in "abcdef"))

    asyncio.run(ask())
    assert [len(batch) for batch in counted.batches] == batches


def test_slices_of_a_large_request_go_through_all_lanes(searcher: Searcher) -> None:
    encoder = searcher.encoder
    texts = [f"{'word ' * (number % 5)}{number}" for number in range(30)]

    async def ask() -> np.ndarray[Any, Any]:
        async with engine_of(batch_tokens=20, lanes=2) as engine:
            embedded, _ = await engine.embed(encoder, lambda: encoder.tokenize_queries(texts), 150)
            return embedded.vectors

    assert asyncio.run(ask()) == pytest.approx(encoder.encode_queries(texts), abs=1e-5)


async def silent() -> Any:
    """A client that sends nothing more and stays."""
    await asyncio.Event().wait()


def patient(seconds: float = 60.0, receive: Callable[[], Awaitable[Any]] = silent) -> Caller:
    return Caller(asyncio.get_running_loop().time() + seconds, receive)


def asked_by(caller: Caller, work: Awaitable[T]) -> asyncio.Future[T]:
    with working_for(caller):
        return asyncio.ensure_future(work)


def test_work_that_nobody_waits_for_is_not_done() -> None:
    async def ask() -> tuple[list[str], list[Any]]:
        done: list[str] = []
        connected = [True]

        async def receive() -> Any:
            if connected[0]:
                connected[0] = False
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.disconnect"}

        async with engine_of() as engine, held(engine) as release:
            leaving = patient(receive=receive)
            await leaving.receive()
            gone = asked_by(leaving, engine.run(lambda: done.append("gone")))
            cancelled = asked_by(patient(), engine.run(lambda: done.append("cancelled")))
            late = asked_by(patient(seconds=0.0), engine.run(lambda: done.append("late")))
            stays = asked_by(patient(), engine.run(lambda: done.append("stays")))
            await waiting(engine, 5)
            cancelled.cancel()
            await asyncio.wait([cancelled, late])
            assert engine.admission.requests == 3
            release.set()
            outcomes = await asyncio.gather(gone, cancelled, late, stays, return_exceptions=True)
        return done, outcomes

    done, (gone, cancelled, late, _) = asyncio.run(ask())
    assert done == ["stays"]
    assert isinstance(cancelled, asyncio.CancelledError)
    assert [one.status_code for one in (gone, late)] == [499, 504]


def test_a_place_is_free_again_when_whoever_had_it_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tart_serve.engine._MAKE_ROOM_SECONDS", 0.0)

    async def ask() -> tuple[Refusal, Any, str]:
        connected = [True]

        async def receive() -> Any:
            return {"type": "http.request"} if connected[0] else {"type": "http.disconnect"}

        async with engine_of(max_requests=2) as engine, held(engine) as release:
            leaving = patient(receive=receive)
            await leaving.receive()
            first = asked_by(leaving, engine.run(lambda: "first"))
            await waiting(engine, 2)
            [refused] = await asyncio.gather(asked_by(patient(), engine.run(lambda: "no")), return_exceptions=True)
            connected[0] = False
            with pytest.raises(Refusal):  # It is let go of now, and its place is free in the loop's next turn.
                await asked_by(patient(), engine.run(lambda: "no"))
            [gone] = await asyncio.gather(first, return_exceptions=True)
            second = asked_by(patient(), engine.run(lambda: "second"))
            await waiting(engine, 2)
            release.set()
            assert isinstance(refused, Refusal)
            return refused, gone, (await second)[0]

    refused, gone, second = asyncio.run(ask())
    assert (refused.status_code, refused.headers) == (429, {"Retry-After": "1"})
    assert gone.status_code == 499
    assert second == "second"
