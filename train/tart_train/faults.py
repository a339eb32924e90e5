"""What is wrong with a data set: every fault counted, the first ones kept with their file and line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tart.readers.rows import shown_path
from tart_train.examples import DataError

FAULTS_SHOWN = 10


class Fault(NamedTuple):
    """Something in a data set that cannot be used.

    Attributes:
        path: The file.
        line: From 1; 0 is the file as a whole.
        kind: What sort of fault it is, in two or three words.
        problem: What was found, what was wanted and what to do.
    """

    path: Path
    line: int
    kind: str
    problem: str

    @property
    def message(self) -> str:
        """The one line that a user reads."""
        place = f":{self.line}" if self.line else ""
        return f"{shown_path(self.path)}{place}: {self.problem}"


@dataclass(slots=True)
class Faults:
    """Collects faults: counts all of them by kind and keeps the first.

    Attributes:
        limit: How many are kept; `None` keeps every one.
        counts: How many there are, by kind.
        first: Those that were kept, in the order of their finding.
    """

    limit: int | None = FAULTS_SHOWN
    counts: Counter[str] = field(default_factory=Counter)
    first: list[Fault] = field(default_factory=list)

    def add(self, path: Path, line: int, kind: str, problem: str) -> None:
        """Notes one fault."""
        self.counts[kind] += 1
        if self.limit is None or len(self.first) < self.limit:
            self.first.append(Fault(path, line, kind, problem))

    def __len__(self) -> int:
        """All of them, kept or not."""
        return self.counts.total()

    def refuse(self) -> None:
        """Stops where something was found.

        Raises:
            DataError: There is a fault; the message has the first ones and says how many more there are.
        """
        if self.counts:
            more = len(self) - len(self.first)
            told = [fault.message for fault in self.first] + ([f"and {more:,} more faults"] if more else [])
            raise DataError("; ".join(told))
