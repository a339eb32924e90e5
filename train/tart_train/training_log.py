"""What a run tells: a live line on a terminal, ``metrics.jsonl``, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

METRICS = "metrics.jsonl"


class TrainingLog:
    """Writes the metrics of a run; use it as a context manager.

    Rows after the step that a run resumes from are dropped: they come again.

    Args:
        run: The run's folder.
        total: Steps of the whole run.
        start: Step that the run goes on from.
        active: Whether this process writes; of several only the first does.
        label: Stands before the bar.
    """

    def __init__(self, run: Path, total: int, start: int = 0, *, active: bool = True, label: str = "training") -> None:
        self._active = active
        self._file = run / METRICS
        self._start = start
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console, disable=not (active and console.is_terminal), transient=True)
        self._task = self._bar.add_task(label, total=total, completed=start, told="")
        self._board: Any = None

    def __enter__(self) -> TrainingLog:  # noqa: PYI034 (Self needs Python 3.11)
        if self._active:
            kept = [row for row in read_metrics(self._file.parent) if row["step"] <= self._start]
            text = "".join(json.dumps(row) + "\n" for row in kept)
            self._file.write_text(text, encoding="utf-8")
            self._rows = self._file.open("a", encoding="utf-8", buffering=1)
            self._board = _tensorboard(self._file.parent / "tensorboard", self._start)
        self._bar.start()
        self._last = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()
        if self._active:
            self._rows.close()
            if self._board is not None:
                self._board.close()

    def step(self, step: int, values: Mapping[str, float], tokens: int) -> None:
        """One step: `values` has at least ``loss`` and ``learning_rate``."""
        now = time.monotonic()
        speed = tokens / max(now - self._last, 1e-9)
        self._last = now
        self._write({"step": step, **values, "tokens": tokens, "tokens_per_second": round(speed, 1)})
        told = f"loss {values['loss']:.4f}  lr {values['learning_rate']:.1e}  {speed:,.0f} tokens/s"
        self._bar.update(self._task, completed=step, told=told)

    def dev(self, step: int, scores: Mapping[str, Mapping[str, float]]) -> None:
        """Dev scores after a step: set -> measure -> score."""
        self._write({"step": step, "dev": {name: dict(each) for name, each in scores.items()}})
        self._last = time.monotonic()

    def pause(self) -> None:
        """Leaves the time since the last step out of the speed: something else than training was done."""
        self._last = time.monotonic()

    def _write(self, row: Mapping[str, Any]) -> None:
        if not self._active:
            return
        self._rows.write(json.dumps(row) + "\n")
        if self._board is not None:
            for name, value in _flat(row):
                self._board.add_scalar(name, value, row["step"])


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Rows that a run has written; a last line that a kill cut off is left out."""
    file = run / METRICS
    if not file.is_file():
        return []
    rows = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def _flat(row: Mapping[str, Any], before: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in row.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{name}/")
        elif name != "step":
            found.append((before + name, float(value)))
    return found


def _tensorboard(folder: Path, start: int) -> Any:
    """A writer, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=start + 1 if start else None)  # type: ignore[no-untyped-call]
