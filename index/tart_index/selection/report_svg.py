"""The plots of a report, drawn by hand as SVG: no plotting library is needed, and the same facts give the same bytes.

Colours come from the page's style by class, so that they follow its light and its dark side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

import numpy as np

from tart_index.selection.chosen import Chosen
from tart_index.selection.report_facts import spread_ranks
from tart_index.selection.report_map import FlatMap, Points
from tart_index.selection.report_tables import TaskShare

WIDTH = 860
# Points of a curve: more cannot be told apart at this width.
CURVE_POINTS = 400
_BAR, _GAP, _NAME, _SAID = 16, 10, 330, 150
_LEFT, _BOTTOM, _TOP = 56, 40, 12
_LONGEST_NAME = 46


def task_bars(shares: Sequence[TaskShare], method: str) -> str:
    """A bar for each task's share of the selection; a stroke marks its share of the pool."""
    height = len(shares) * (_BAR + _GAP) + _GAP
    room = WIDTH - _NAME - _SAID
    most = max((max(one.chosen[0], one.pool) for one in shares), default=0.0) or 1.0
    drawn = []
    for row, one in enumerate(shares):
        top = _GAP + row * (_BAR + _GAP)
        bar, stroke = room * one.chosen[0] / most, _NAME + room * one.pool / most
        said = f"{one.rows:,} · {100 * one.chosen[0]:.1f} % of {method}, {100 * one.pool:.1f} % of the pool"
        drawn.append(
            f"<g><title>{escape(one.task)}: {escape(said)}</title>"
            f'<text class="name" x="{_NAME - 10}" y="{top + 12}">{escape(shortened(one.task))}</text>'
            f'<rect class="chosen" x="{_NAME}" y="{top}" width="{bar:.1f}" height="{_BAR}" rx="2"/>'
            f'<line class="stroke" x1="{stroke:.1f}" y1="{top - 3}" x2="{stroke:.1f}" y2="{top + _BAR + 3}"/>'
            f'<text class="said" x="{max(_NAME + bar, stroke) + 8:.1f}" y="{top + 12}">'
            f"{one.rows:,} ({100 * one.chosen[0]:.1f} %)</text></g>"
        )
    return _svg(height, "Tasks that the selection draws from", drawn)


def curve(chosen: Sequence[Chosen], values: Sequence[float], title: str) -> str:
    """A value by rank."""
    height, ranks = 260, [one.rank for one in chosen]
    places = spread_ranks(len(chosen), CURVE_POINTS)
    low, high = min(values), max(values)
    ticks = nice_ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    across = _scale(ranks[0], max(ranks[-1], ranks[0] + 1), _LEFT, WIDTH - 16)
    down = _scale(low, high if high > low else low + 1, height - _BOTTOM, _TOP)
    points = " ".join(f"{across(ranks[place]):.1f},{down(values[place]):.1f}" for place in places)
    drawn = [
        *(
            f'<line class="grid" x1="{_LEFT}" y1="{down(tick):.1f}" x2="{WIDTH - 16}" y2="{down(tick):.1f}"/>'
            f'<text class="tick end" x="{_LEFT - 8}" y="{down(tick) + 4:.1f}">{tick:g}</text>'
            for tick in ticks
        ),
        *(
            f'<text class="tick mid" x="{across(rank):.1f}" y="{height - 18}">{rank:,}</text>'
            for rank in sorted({ranks[place] for place in spread_ranks(len(ranks), 6)})
        ),
        f'<text class="tick mid" x="{(WIDTH + _LEFT) / 2:.0f}" y="{height - 2}">rank</text>',
        f'<polyline class="line" points="{points}"/>'
        if len(places) > 1
        else f'<circle class="chosen" r="4" cx="{across(ranks[0]):.1f}" cy="{down(values[0]):.1f}"/>',
    ]
    return _svg(height, title, drawn)


def map_of(flat: FlatMap) -> str:
    """Pool, targets and chosen rows on two principal axes."""
    height, margin = 560, 14
    every = np.concatenate([flat.pool, flat.targets, flat.chosen])
    low, high = every.min(axis=0), every.max(axis=0)
    # One scale for both axes: a distance is the same in every direction.
    scale = min((WIDTH - 2 * margin) / max(high[0] - low[0], 1e-9), (height - 2 * margin) / max(high[1] - low[1], 1e-9))
    middle = (low + high) / 2

    def dots(points: Points, kind: str, radius: float) -> Iterator[str]:
        for x, y in (points - middle) * scale:
            yield f'<circle class="{kind}" cx="{WIDTH / 2 + x:.1f}" cy="{height / 2 - y:.1f}" r="{radius}"/>'

    drawn = [*dots(flat.pool, "pool", 2), *dots(flat.chosen, "chosen", 3), *dots(flat.targets, "target", 3)]
    return _svg(height, "Map of pool, targets and chosen rows", drawn)


def nice_ticks(low: float, high: float) -> list[float]:
    """Round values over a range, four to seven of them: steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 12) for number in range(first, last + 1)]


def shortened(name: str) -> str:
    """A name that fits beside a bar; the middle of a long one is left out."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Where a value stands on the page."""
    return lambda value: start + (value - low) * (end - start) / (high - low)


def _svg(height: int, label: str, drawn: Sequence[str]) -> str:
    content = "\n".join(drawn)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">\n{content}\n</svg>'
