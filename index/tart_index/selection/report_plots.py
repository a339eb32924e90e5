"""Which plots a report has, each with its caption and the key to its colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tart_index.selection.report_facts import MapVectors, ReportFacts
from tart_index.selection.report_map import flat_map
from tart_index.selection.report_svg import curve, map_of, task_bars
from tart_index.selection.report_tables import task_shares

_BARS = 20
# Fewer points are no map.
_LEAST_POINTS = 3


class Plot(NamedTuple):
    """One plot.

    Attributes:
        title: Its heading.
        caption: What it shows.
        keys: Class of a mark and what it stands for.
        svg: The element.
    """

    title: str
    caption: str
    keys: tuple[tuple[str, str], ...]
    svg: str


def plots(facts: ReportFacts) -> Iterator[Plot]:
    """All plots that the facts fill."""
    if facts.pool_tasks and facts.selection.chosen:
        yield _tasks(facts)
    yield from _curves(facts)
    points = facts.vectors
    if points is not None and min(len(points.pool), len(points.chosen)) >= _LEAST_POINTS:
        yield _map(points)


def _tasks(facts: ReportFacts) -> Plot:
    shares = [one for one in task_shares(facts) if one.rows]
    rest = f" The {_BARS} largest of {len(shares):,}." if len(shares) > _BARS else ""
    caption = (
        f"Rows chosen from each task.{rest} A bar that passes its stroke is more than the task's share of the pool."
    )
    keys = (("chosen", "share of the selection"), ("stroke", "share of the pool"))
    return Plot("Where the rows come from", caption, keys, task_bars(shares[:_BARS], facts.selection.method))


def _curves(facts: ReportFacts) -> Iterator[Plot]:
    chosen = facts.selection.chosen
    scores = [one.score for one in chosen if one.score is not None]
    if not chosen or len(scores) < len(chosen):
        return
    kind = "BM25 score" if facts.selection.method == "bm25" else "cosine"
    caption = f"The highest {kind} of each chosen row with a target, by rank: {max(scores):.3f} to {min(scores):.3f}."
    yield Plot("Scores", caption, (), curve(chosen, scores, "Score by rank"))
    counts = [one.count for one in chosen]
    if max(counts) > 1:
        caption = f"How many targets have a row among their neighbours, by rank: {max(counts):,} to {min(counts):,}."
        yield Plot("Counts", caption, (), curve(chosen, counts, "Count by rank"))


def _map(vectors: MapVectors) -> Plot:
    flat = flat_map(vectors)
    caption = (
        f"The two principal axes of pool and targets, which hold {100 * flat.explained:.0f} % of their variance: "
        "what is near here need not be near in all dimensions."
    )
    keys = (
        ("pool", f"pool, {len(flat.pool):,} rows"),
        ("chosen", f"chosen, {len(flat.chosen):,}"),
        ("target", f"targets, {len(flat.targets):,}"),
    )
    return Plot("Map", caption, keys, map_of(flat))
