"""Admission: how much work is let in, and when to come again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tart_serve.engine_settings import EngineSettings
from tart_serve.observer import Observer
from tart_serve.refusal import Refusal

# How much the newest batch counts in the measured rate.
_NEWEST = 0.2


class Admission:
    """Counts the work that was let in and is not yet answered.

    Args:
        settings: The bounds.
        observer: Is told of refusals.
        make_room: Is called before a refusal, to let go of work that nobody waits for any more.
    """

    def __init__(self, settings: EngineSettings, observer: Observer, make_room: Callable[[], None]) -> None:
        self._max_requests = settings.max_requests
        self._max_tokens = settings.max_tokens
        self._observer = observer
        self._make_room = make_room
        self._rate: float | None = None
        self.requests = 0
        self.tokens = 0

    @contextmanager
    def place(self, tokens: int, *, bounded: bool) -> Iterator[None]:
        """A place for one request, until its answer.

        Args:
            tokens: That a model will read, about.
            bounded: Whether it may be refused; the service's own work may not.

        Raises:
            Refusal: There is no place (429).
        """
        if bounded:
            self.refuse_when_full(tokens)
        self.requests += 1
        self.tokens += tokens
        try:
            yield
        finally:
            self.requests -= 1
            self.tokens -= tokens

    def refuse_when_full(self, tokens: int = 0) -> None:
        """Refuses what finds no place; more tokens than the bound are let in where nothing else is.

        Raises:
            Refusal: There is no place (429).
        """
        if self._is_full(tokens):
            self._make_room()
        if self._is_full(tokens):
            self._observer.rejected("queue_full")
            seconds = self.retry_after()
            raise Refusal(
                429,
                f"the service is busy with {self.requests:,} requests of about {self.tokens:,} tokens, and takes "
                f"{self._max_requests:,} and {self._max_tokens:,}; try again in {seconds} s",
                code="rate_limit_exceeded",
                headers={"Retry-After": str(seconds)},
            )

    def finished(self, tokens: int, seconds: float) -> None:
        """A batch of so many tokens took the model so many seconds."""
        if tokens and seconds > 0:
            rate = tokens / seconds
            self._rate = rate if self._rate is None else (1 - _NEWEST) * self._rate + _NEWEST * rate

    def retry_after(self) -> int:
        """Whole seconds until all that was let in should be answered, by the measured rate; at least 1."""
        return max(1, math.ceil(self.tokens / self._rate)) if self._rate else 1

    def _is_full(self, tokens: int) -> bool:
        return self.requests >= self._max_requests or (self.tokens > 0 and self.tokens + tokens > self._max_tokens)
