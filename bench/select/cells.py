"""Results as lines of a file, one a cell, so that a killed run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Cell(NamedTuple):
    """What one model is trained on, and for what.

    Attributes:
        tier: "frozen" or "fine-tuned".
        budget: Rows of a selection.
        dataset: The target.
        method: Of selection, or a control.
        seed: Of the split, the draws and the training.
    """

    tier: str
    budget: int
    dataset: str
    method: str
    seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came out.

    Attributes:
        cell: See there.
        accuracy: Share of scored questions answered right, 0 to 1.
        scored: Questions.
        trained: Rows that the model was trained on.
        seconds: For training and scoring.
        more: What else is worth keeping: steps, the share of each dataset.
    """

    cell: Cell
    accuracy: float
    scored: int
    trained: int
    seconds: float
    more: Mapping[str, Any]


class Results:
    """The file of a run.

    Args:
        path: JSON lines; the first says which settings they belong to.
        settings: Everything that a result depends on and that is no part of a cell.

    Raises:
        SystemExit: The file is of other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path = path
        wanted = json.loads(json.dumps(settings))
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"settings": wanted}) + "\n", encoding="utf-8")
        _mend(path)
        first = json.loads(path.read_text(encoding="utf-8").partition("\n")[0])["settings"]
        if first != wanted:
            different = sorted(name for name in {*first, *wanted} if first.get(name) != wanted.get(name))
            raise SystemExit(f"{path} was made with other settings: {', '.join(different)}; name another --work")
        self.done = {result.cell: result for result in self.read(path)}

    @staticmethod
    def read(path: Path) -> Iterator[Result]:
        """All results of a file."""
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            row = json.loads(line)
            yield Result(Cell(**row.pop("cell")), **row)

    def add(self, result: Result) -> None:
        """Notes a result."""
        row = {**asdict(result), "cell": result.cell._asdict()}
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")
        self.done[result.cell] = result


def _mend(path: Path) -> None:
    """Takes away a line that a kill cut short."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
