"""When a call is sent again: a decision without any input or output, shared by both clients."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from tart_serve.client.errors import (
    ClientError,
    ConnectionLostError,
    OverloadedError,
    RefusedError,
    UnavailableError,
    UnreachableError,
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a call is tried.

    A call is sent again after 429, 503, or when no connection came about: the service has then not begun it. Where
    the connection was lost midway, only calls that change nothing are sent again. A wait that the service asked for
    (`Retry-After`) is kept; without one, waits double from `first_wait` and are drawn from the upper half.

    Attributes:
        tries: Most times that a call is sent; 1 never sends it again.
        total: Seconds from the first try after which no other begins.
        first_wait: Seconds before the second try.
        longest_wait: Seconds that the waits double up to.
        draw: A number from 0 to 1, so that many clients do not come back at once.

    Raises:
        ValueError: A number is out of range.
    """

    tries: int = 6
    total: float = 30.0
    first_wait: float = 0.25
    longest_wait: float = 8.0
    draw: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise ValueError(f"tries is {self.tries}; wanted 1 (never send again) or more")
        if not all(seconds >= 0 for seconds in (self.total, self.first_wait, self.longest_wait)):
            raise ValueError("total, first_wait and longest_wait are seconds; wanted 0 or more of each")


NEVER = RetryPolicy(tries=1)


class Tries:
    """The tries of one call.

    Args:
        policy: How many, how long.
        changes_nothing: Whether the call may run twice without harm.
        clock: Seconds, from any start.
    """

    def __init__(self, policy: RetryPolicy, changes_nothing: bool, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._changes_nothing = changes_nothing
        self._clock = clock
        self._started = clock()
        self._failed = 0

    def wait_after(self, failure: ClientError) -> float:
        """Seconds to wait before the next try.

        Raises:
            ClientError: The failure itself: there is no next try.
        """
        self._failed += 1
        if self._failed >= self._policy.tries or not self._may_follow(failure):
            raise failure
        wait = self._wait(failure)
        if self._clock() - self._started + wait > self._policy.total:
            raise failure
        return wait

    def _may_follow(self, failure: ClientError) -> bool:
        if isinstance(failure, ConnectionLostError):
            return self._changes_nothing
        return isinstance(failure, OverloadedError | UnavailableError | UnreachableError)

    def _wait(self, failure: ClientError) -> float:
        policy = self._policy
        doubled = min(policy.first_wait * 2.0 ** min(self._failed - 1, 30), policy.longest_wait)
        told = failure.problem.retry_after if isinstance(failure, RefusedError) else None
        if told is None:
            return doubled * (1 + policy.draw()) / 2
        # Never earlier than told; a little later, for everybody was told the same.
        return told + policy.first_wait * policy.draw()


def retry_after_seconds(value: str | None, date: str | None = None) -> float | None:
    """Reads the header `Retry-After`.

    Args:
        value: Seconds, or an HTTP date.
        date: The reply's header `Date`: the service's clock, which a date is told by.

    Returns:
        Seconds from now, at least 0; None where there is no header that can be read.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        # What is longer than nine digits is some thirty years: the same to whoever waits.
        return float(text[:9])
    until = _http_date(text)
    if until is None:
        return None
    now = _http_date(date or "") or datetime.now(timezone.utc)
    return max(0.0, (until - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
