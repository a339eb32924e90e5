"""Stages of a selection, for whoever shows how it goes on."""

from __future__ import annotations

from typing import Protocol


class Stages(Protocol):
    """Is told what is being done."""

    def start(self, stage: str, total: int | None) -> None:
        """A stage begins: "reading", "embedding", "scoring" or "choosing", over so many rows where that is known."""

    def done(self, rows: int) -> None:
        """So many rows more are done."""

    def say(self, sentence: str) -> None:
        """Something that the user should know."""


class Silent:
    """Shows nothing."""

    def start(self, stage: str, total: int | None) -> None:
        """Shows nothing."""

    def done(self, rows: int) -> None:
        """Shows nothing."""

    def say(self, sentence: str) -> None:
        """Shows nothing."""


class EmbeddingStage:
    """A build of an index as one stage; see `tart_index.parts.Progress`."""

    def __init__(self, stages: Stages, rows: int) -> None:
        self._stages = stages
        self._rows = rows

    def checked(self, documents: int) -> None:
        """The rows were checked when they were read."""

    def start(self, total: int | None) -> None:
        """Embedding begins."""
        self._stages.start("embedding", self._rows)

    def done(self, documents: int) -> None:
        """So many rows more are embedded, or were found embedded."""
        self._stages.done(documents)
