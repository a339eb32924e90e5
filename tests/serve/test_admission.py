from __future__ import annotations

from contextlib import ExitStack

import pytest

from tart.errors import TartError
from tart_serve.admission import Admission
from tart_serve.engine_settings import EngineSettings
from tart_serve.observer import NullObserver, Reason
from tart_serve.refusal import Refusal


class Counting(NullObserver):
    def __init__(self) -> None:
        self.reasons: list[Reason] = []

    def rejected(self, reason: Reason) -> None:
        self.reasons.append(reason)


def admission(observer: NullObserver | None = None, **values: int) -> Admission:
    return Admission(EngineSettings(**values), observer or NullObserver(), lambda: None)  # type: ignore[arg-type]


def test_so_many_requests_find_a_place_and_no_more() -> None:
    counting = Counting()
    bounded = admission(counting, max_requests=2, max_tokens=1_000)
    with bounded.place(1, bounded=True):
        with bounded.place(1, bounded=True):
            with pytest.raises(Refusal, match="busy with 2 requests of about 2 tokens, and takes 2 and 1,000") as full:
                bounded.refuse_when_full()
            with bounded.place(1, bounded=False):
                assert bounded.requests == 3  # The service's own work is let in.
        bounded.refuse_when_full()
    assert (full.value.status_code, full.value.headers, full.value.code) == (
        429,
        {"Retry-After": "1"},
        "rate_limit_exceeded",
    )
    assert counting.reasons == ["queue_full"]
    assert (bounded.requests, bounded.tokens) == (0, 0)


def test_so_many_tokens_find_a_place_and_more_only_alone() -> None:
    bounded = admission(max_tokens=100)
    with bounded.place(5_000, bounded=True), pytest.raises(Refusal):
        bounded.refuse_when_full(1)
    with bounded.place(60, bounded=True), bounded.place(40, bounded=True), pytest.raises(Refusal):
        bounded.refuse_when_full(1)


@pytest.mark.parametrize(
    ("batches", "inside", "seconds"),
    [
        ([], 5_000, 1),
        ([(100, 1.0)], 1_000, 10),
        ([(100, 1.0)], 1_001, 11),
        ([(100, 1.0)], 3, 1),
        # 0.8 * 100 + 0.2 * 600 = 200 tokens a second.
        ([(100, 1.0), (300, 0.5), (0, 9.0)], 1_000, 5),
    ],
)
def test_retry_after_is_what_the_measured_rate_needs_for_what_is_inside(
    batches: list[tuple[int, float]], inside: int, seconds: int
) -> None:
    bounded = admission()
    for tokens, took in batches:
        bounded.finished(tokens, took)
    with bounded.place(inside, bounded=True):
        assert bounded.retry_after() == seconds


def test_a_place_is_free_again_after_an_error() -> None:
    bounded = admission()
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(ValueError, match="no"))
        stack.enter_context(bounded.place(7, bounded=True))
        raise ValueError("no")
    assert (bounded.requests, bounded.tokens) == (0, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_tokens", 0),
        ("cached_vectors", -1),
        ("max_requests", 0),
        ("max_tokens", 0),
        ("timeout", 0.0),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
    ],
)
def test_settings_that_cannot_be(field: str, value: float) -> None:
    with pytest.raises(TartError, match=f"{field} is {value}; wanted"):
        EngineSettings(**{field: value})  # type: ignore[arg-type]
