from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tart_serve.client import (
    ClientError,
    ConnectionLostError,
    DeadlineError,
    OverloadedError,
    RefusedError,
    RetryPolicy,
    TimedOutError,
    UnavailableError,
    UnreachableError,
)
from tart_serve.client.call import Call
from tart_serve.client.retries import Tries, retry_after_seconds
from tests.serve.client_faces import FACES, Face, FakeTime, Script

READY = {"indexes": ["code"], "took_ms": 1.5}
HIT = {"rank": 1, "id": "a", "score": 0.5}
FOUND = {
    "object": "search.results",
    "request_id": "r",
    "index": {"name": "code", "version": "1", "fingerprint": "sha256:0"},
    "model": "m",
    "instruction_applied": "",
    "data": [HIT],
    "has_more": False,
    "usage": {"prompt_tokens": 4},
    "timing_ms": {"queue": 0.1, "encode": 0.2, "search": 0.3, "fetch": 0.4},
}
WRITE: Call[Any] = Call("POST", "/v1/anything", lambda body: body, {"a": 1}, changes_nothing=False)


def found() -> httpx2.Response:
    return httpx2.Response(200, json=FOUND)


def refused(status: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(
        status,
        json={"status": status, "detail": "no", "request_id": "r"},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


Start = Callable[..., Face]


@pytest.fixture(params=FACES)
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts a client over a fake service; waits take no time and are drawn in the middle."""
    faces: list[Face] = []

    def start_face(script: Script, time: FakeTime, policy: RetryPolicy | None = None) -> Face:
        policy = policy or RetryPolicy(draw=lambda: 1.0)
        transport = httpx2.MockTransport(script)
        faces.append(Face(request.param, "http://fake", time, retries=policy, transport=transport))
        return faces[-1]

    yield start_face
    for face in faces:
        face.end()


def test_refusals_are_waited_out_as_long_as_told(start: Start) -> None:
    script = Script(refused(429, Retry_After="3"), refused(503, Retry_After="0"), found())
    time = FakeTime()
    policy = RetryPolicy(first_wait=0.25, draw=lambda: 0.0)
    assert start(script, time, policy).search("q").hits[0].id == "a"
    assert time.slept == [3.0, 0.0]
    assert len({request.content for request in script.requests}) == 1


def test_a_date_is_told_by_the_service_s_own_clock(start: Start) -> None:
    dates = {"Date": "Fri, 02 Jan 1970 00:00:00 GMT", "Retry_After": "Fri, 02 Jan 1970 00:00:07 GMT"}
    time = FakeTime()
    start(Script(refused(503, **dates), found()), time, RetryPolicy(draw=lambda: 0.0)).search("q")
    assert time.slept == [7.0]


def test_a_told_wait_is_lengthened_a_little_so_that_not_all_come_at_once(start: Start) -> None:
    time = FakeTime()
    policy = RetryPolicy(first_wait=0.25, draw=lambda: 0.5)
    start(Script(refused(429, Retry_After="1"), found()), time, policy).search("q")
    assert time.slept == [1.125]


def test_waits_double_up_to_the_longest_where_none_is_told(start: Start) -> None:
    time = FakeTime()
    policy = RetryPolicy(tries=6, first_wait=1, longest_wait=4, draw=lambda: 1.0)
    start(Script(*[refused(503)] * 5, found()), time, policy).search("q")
    assert time.slept == [1, 2, 4, 4, 4]


def test_the_last_refusal_is_raised_when_the_tries_are_used_up(start: Start) -> None:
    script, time = Script(*[refused(429, Retry_After="1")] * 3), FakeTime()
    with pytest.raises(OverloadedError) as caught:
        start(script, time, RetryPolicy(tries=3, draw=lambda: 0.0)).search("q")
    assert (caught.value.status, caught.value.problem.retry_after, len(script.requests)) == (429, 1.0, 3)
    assert time.slept == [1, 1]


def test_no_try_begins_after_the_total_time(start: Start) -> None:
    script, time = Script(*[refused(503, Retry_After="4")] * 9), FakeTime()
    with pytest.raises(UnavailableError):
        start(script, time, RetryPolicy(tries=9, total=10, draw=lambda: 0.0)).search("q")
    assert time.slept == [4, 4]
    # A wait beyond the total is not even begun.
    script, time = Script(refused(503, Retry_After="3600")), FakeTime()
    with pytest.raises(UnavailableError):
        start(script, time).search("q")
    assert time.slept == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500, 502, 504])
def test_other_refusals_are_not_tried_again(start: Start, status: int) -> None:
    script, time = Script(refused(status, Retry_After="1")), FakeTime()
    with pytest.raises(RefusedError) as caught:
        start(script, time).search("q")
    assert (caught.value.status, time.slept) == (status, [])
    assert isinstance(caught.value, DeadlineError) == (status == 504)


@pytest.mark.parametrize("fault", [httpx2.ConnectError("refused"), httpx2.ConnectTimeout("slow")])
@pytest.mark.parametrize("write", [False, True])
def test_a_connection_that_did_not_come_about_is_tried_again(start: Start, fault: Exception, write: bool) -> None:
    script, time = Script(fault, found()), FakeTime()
    face = start(script, time)
    face.answer(WRITE) if write else face.search("q")
    assert (len(script.requests), time.slept) == (2, [0.25])


def test_a_service_that_is_not_there(start: Start) -> None:
    with pytest.raises(UnreachableError, match=r"no connection to http://fake .*is the service running"):
        start(Script(*[httpx2.ConnectError("refused")] * 6), FakeTime()).search("q")


@pytest.mark.parametrize("fault", [httpx2.RemoteProtocolError("gone"), httpx2.ReadError("reset")])
def test_a_lost_connection_is_tried_again_only_where_nothing_changes(start: Start, fault: Exception) -> None:
    script, time = Script(fault, found()), FakeTime()
    start(script, time).search("q")
    assert len(script.requests) == 2
    script = Script(fault)
    with pytest.raises(ConnectionLostError):
        start(script, time).answer(WRITE)
    assert len(script.requests) == 1


def test_a_reply_that_does_not_come_in_time_is_not_asked_for_again(start: Start) -> None:
    script, time = Script(httpx2.ReadTimeout("slow")), FakeTime()
    with pytest.raises(TimedOutError, match="within 60 s"):
        start(script, time).search("q")
    assert time.slept == []


def test_readiness_is_asked_once(start: Start) -> None:
    script, time = Script(refused(503, Retry_After="1"), httpx2.Response(200, json=READY)), FakeTime()
    face = start(script, time)
    with pytest.raises(UnavailableError):
        face.ready()
    assert (face.ready().indexes, time.slept) == (("code",), [])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("9" * 400, 999_999_999.0),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0),
        ("Wednesday, 21-Oct-15 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 09:28:10 +0200", 10.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        (None, None),
    ],
)
def test_the_header_is_read(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, "Wed, 21 Oct 2015 07:28:00 GMT") == seconds


def test_a_date_without_the_service_s_clock_is_told_by_this_machine_s() -> None:
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:10 GMT") == 0.0
    assert (retry_after_seconds("Fri, 31 Dec 9999 23:59:59 GMT", "nonsense") or 0) > 1e9


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_breaks_the_reader(value: str, date: str) -> None:
    seconds = retry_after_seconds(value, date)
    assert seconds is None or seconds >= 0


@given(
    told=st.lists(st.none() | st.floats(0, 100), min_size=1, max_size=20),
    tries=st.integers(1, 10),
    total=st.floats(0, 60),
    drawn=st.floats(0, 1),
)
def test_waits_are_never_shorter_than_told_and_end_in_time(
    told: list[float | None], tries: int, total: float, drawn: float
) -> None:
    from tart_serve.client.errors import Problem, refused

    time = FakeTime()
    policy = RetryPolicy(tries=tries, total=total, draw=lambda: drawn)
    attempts = Tries(policy, changes_nothing=True, clock=time.clock)
    for seconds in told:
        try:
            wait = attempts.wait_after(refused(Problem(429, "no", retry_after=seconds)))
        except OverloadedError:
            break
        assert wait >= (seconds or 0)
        time.sleep(wait)
    assert len(time.slept) < tries
    assert sum(time.slept) <= total + 1e-9


@pytest.mark.parametrize(
    "settings", [{"tries": 0}, {"total": -1}, {"first_wait": -0.1}, {"longest_wait": -1}, {"total": float("nan")}]
)
def test_a_policy_that_makes_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        RetryPolicy(**settings)


def test_all_errors_are_one_kind() -> None:
    assert issubclass(RefusedError, ClientError)
    assert issubclass(UnreachableError, ClientError)
