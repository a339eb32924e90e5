"""The tables of a report: counts, tasks, and how far the selections agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tart_index.selection.chosen import Selection
from tart_index.selection.report_facts import ReportFacts, shown

# Tasks that are named; a pool may have thousands.
NAMED_TASKS = 25


class Table(NamedTuple):
    """One table.

    Attributes:
        title: Its heading.
        note: What it shows, in a sentence.
        headings: Of the columns.
        rows: As texts.
    """

    title: str
    note: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(facts: ReportFacts) -> Iterator[Table]:
    """All tables that the facts fill."""
    yield _counts(facts)
    if facts.pool_tasks:
        yield _tasks(facts)
    if facts.controls:
        yield _overlap(facts)
    yield Table("Provenance", "What this selection was made from.", ("", "value"), tuple(facts.about.items()))


def _counts(facts: ReportFacts) -> Table:
    reasons = sorted({reason for one in facts.selections for reason in one.dropped})
    headings = ("method", "chosen", "candidates", "targets that chose", *(f"left out: {name}" for name in reasons))
    rows = [
        (
            one.method,
            shown(len(one.chosen)),
            shown(one.candidates),
            shown(len({row.target for row in one.chosen if row.target is not None}) or None),
            *(shown(one.dropped.get(name, 0)) for name in reasons),
        )
        for one in facts.selections
    ]
    note = "Rows that each method chose, those it chose from, and those it looked at and left out, by reason."
    return Table("Counts", note, headings, rows)


class TaskShare(NamedTuple):
    """A task's part of the pool and of the selections.

    Attributes:
        task: Its name.
        pool: Share of the pool, 0 to 1.
        chosen: Share of each selection, 0 to 1.
        rows: Of the first selection.
    """

    task: str
    pool: float
    chosen: tuple[float, ...]
    rows: int


def task_shares(facts: ReportFacts) -> list[TaskShare]:
    """All tasks of the pool, those with the most chosen rows first, equal ones by name."""
    counts = [Counter(row.task for row in one.chosen) for one in facts.selections]
    total = sum(facts.pool_tasks.values())
    sizes = [max(1, len(one.chosen)) for one in facts.selections]
    found = [
        TaskShare(
            task,
            rows / total,
            tuple(count[task] / size for count, size in zip(counts, sizes, strict=True)),
            counts[0][task],
        )
        for task, rows in facts.pool_tasks.items()
    ]
    return sorted(found, key=lambda one: (-one.rows, one.task))


def _tasks(facts: ReportFacts) -> Table:
    shares = task_shares(facts)
    named = [one for one in shares[:NAMED_TASKS] if one.rows]
    rows = [
        (one.task, shown(one.rows), _percent(one.pool), *(_percent(share) for share in one.chosen)) for one in named
    ]
    drawn = sum(one.rows > 0 for one in shares)
    note = (
        f"The selection draws from {drawn:,} of the pool's {len(shares):,} tasks"
        f"{f'; the {len(named)} with the most rows' if len(named) < drawn else ''}. Shares of the pool and of each "
        "selection, %."
    )
    headings = ("task", "rows", "pool", *(one.method for one in facts.selections))
    return Table("Tasks", note, headings, rows)


def jaccard(one: Selection, other: Selection) -> float:
    """Rows in both of the rows in either; 1 for two empty selections."""
    first, second = set(one.rows), set(other.rows)
    either = first | second
    return len(first & second) / len(either) if either else 1.0


def _overlap(facts: ReportFacts) -> Table:
    rows = [(one.method, *(f"{jaccard(one, other):.3f}" for other in facts.selections)) for one in facts.selections]
    note = "Jaccard index of each two selections: rows in both, of the rows in either. 1 is the same rows, 0 none."
    return Table("Overlap", note, ("", *(one.method for one in facts.selections)), rows)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
