"""What the operator may set about batches, the queue and deadlines."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tart.errors import TartError


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How requests are batched, and when one is refused.

    Attributes:
        batch_tokens: Tokens of one batch; None takes as many as are fastest on the model's device.
        cached_vectors: Query vectors that are kept; 0 keeps none.
        max_requests: Requests admitted and not yet answered; one more is refused with 429.
        max_tokens: The same in tokens, as they are estimated from the texts' lengths.
        timeout: Seconds that a request may take; a caller may ask for less.
        lanes: Batches that are worked on side by side.

    Raises:
        TartError: A value is out of range.
    """

    batch_tokens: int | None = None
    cached_vectors: int = 4_096
    max_requests: int = 256
    max_tokens: int = 32_768
    timeout: float = 60.0
    lanes: int = 1

    def __post_init__(self) -> None:
        for name in ("batch_tokens", "max_requests", "max_tokens", "lanes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise TartError(f"{name} is {value}; wanted 1 or more")
        if self.cached_vectors < 0:
            raise TartError(f"cached_vectors is {self.cached_vectors}; wanted 0 or more")
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise TartError(f"timeout is {self.timeout}; wanted seconds, more than 0")
