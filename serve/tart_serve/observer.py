"""What the engine tells whoever measures it."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

Stage: TypeAlias = Literal["queue", "tokenize", "encode", "search", "filter", "fetch", "rerank"]
Reason: TypeAlias = Literal["queue_full", "deadline", "draining", "cancelled"]
Cache: TypeAlias = Literal["vectors"]


class Observer(Protocol):
    """Is told what the engine does. Every method is called from the event loop, and must be quick."""

    def batch(self, size: int, tokens: int) -> None:
        """A batch goes to the model: so many callers, so many tokens as they were counted for the queue."""

    def stage(self, name: Stage, seconds: float) -> None:
        """A stage of a batch has ended; the stage `queue` of one caller."""

    def rejected(self, reason: Reason) -> None:
        """Work was refused, or dropped before it began."""

    def queue_depth(self, callers: int) -> None:
        """So many callers wait for the model now."""

    def cache(self, name: Cache, hits: int, misses: int) -> None:
        """A cache was asked for so many values that it had, and so many that it had not."""


class NullObserver:
    """Measures nothing."""

    def batch(self, size: int, tokens: int) -> None:
        """Measures nothing."""

    def stage(self, name: Stage, seconds: float) -> None:
        """Measures nothing."""

    def rejected(self, reason: Reason) -> None:
        """Measures nothing."""

    def queue_depth(self, callers: int) -> None:
        """Measures nothing."""

    def cache(self, name: Cache, hits: int, misses: int) -> None:
        """Measures nothing."""
