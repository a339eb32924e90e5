"""From a finished run to what its report tells, and to the files that go beside the chosen rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tart import __version__
from tart_index.selection.report import write_report
from tart_index.selection.report_facts import ReportFacts, map_vectors, samples_of, shown
from tart_index.selection.run import SelectionRun
from tart_index.selection.training_rows import write_training_rows

_CONTROLS = "controls"


def beside_rows(run: SelectionRun) -> Callable[[Path], None]:
    """What `write_selection` adds to the folder: the report, and rows as trainers want them, of controls too."""

    def add(folder: Path) -> None:
        write_report(folder, facts_of(run))
        examples = run.pool.examples
        write_training_rows(folder, run.selection, examples.__getitem__)
        for name, control in run.controls.items():
            write_training_rows(folder / _CONTROLS / name, control, examples.__getitem__)

    return add


def facts_of(run: SelectionRun) -> ReportFacts:
    """Everything that the report of a run tells."""
    targets = {example.id: example for example in run.targets.examples}
    vectors = None
    if run.pool.vectors is not None and len(run.pool) and run.selection.chosen:
        inside = run.targets.vectors
        asked = np.empty((0, run.pool.vectors.dim), np.float32) if inside is None else inside
        vectors = map_vectors(run.pool.vectors, asked, run.selection)
    return ReportFacts(
        selection=run.selection,
        about=dict(_about(run)),
        pool_tasks=_tasks(run),
        controls=tuple(run.controls.values()),
        samples=samples_of(run.selection, run.pool.examples.__getitem__, targets.__getitem__),
        vectors=vectors,
    )


def _tasks(run: SelectionRun) -> dict[str, int]:
    """Rows of each task of the pool."""
    counts = Counter(run.pool.task_of.tolist())
    return {task: counts[number] for number, task in enumerate(run.pool.tasks)}


def _about(run: SelectionRun) -> Iterator[tuple[str, str]]:
    """Where the selection comes from, by name."""
    yield "pool", f"{run.pool.name}, {len(run.pool):,} rows, {run.pool.sha256}"
    yield "targets", f"{run.targets.name}, {len(run.targets):,} examples, {run.targets.sha256}"
    if run.model is not None:
        yield "model", f"{run.model.name}, {run.model.fingerprint}"
        yield "input format", f"{run.model.input_format}, vectors in {run.model.dtype}"
    for card in run.against:
        yield "nothing taken from", f"{card.name}, {card.examples:,} examples, {card.sha256}"
    for name, value in run.options.to_json().items():
        # A seed of 0 is told; what was not asked for is not.
        if value is not None and value is not False and value != "":
            yield name.replace("_", " "), shown(value)
    if run.recall is not None:
        yield (
            "recall of the approximate structure",
            f"{run.recall.recall:.4f} of {run.recall.structure}, on {run.recall.targets:,} targets",
        )
    yield "fingerprint", run.fingerprint
    yield "made by", f"tart-retrieval {__version__}"
