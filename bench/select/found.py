"""With a target's other templates left in the pool: does selection find them?"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bench.select.experiment import Choose
from bench.select.pool import PoolRow, family, rows_by_template
from bench.select.wording import examples


class Found(NamedTuple):
    """What was found for one draw of a template.

    Attributes:
        dataset: Of the target.
        seed: Of the draw.
        method: Of selection.
        share: Same-dataset rows among the first rows chosen, 0 to 1.
        by_chance: Same-dataset rows in the pool, 0 to 1.
        recall: Of the same-dataset rows that could be chosen at all, 0 to 1.
    """

    dataset: str
    seed: int
    method: str
    share: float
    by_chance: float
    recall: float


class Left(NamedTuple):
    """A template whose inputs are the target, and the pool with the dataset's other templates.

    Attributes:
        asked: Target rows.
        pool: Rows that can be chosen.
        same: Those of them that are of the dataset.
    """

    asked: Sequence[int]
    pool: Sequence[int]
    same: frozenset[int]


def left_in(rows: Sequence[PoolRow], dataset: str, seed: int, asked: int) -> Left | None:
    """Draws a template and half of the dataset's examples.

    Target inputs are those examples under this template. In the pool stay the other examples under the other
    templates: a row that is only the same text in another wrapping would be found by any method. None where the
    dataset has a single template, or its rows are all one example.
    """
    inside = [number for number, row in enumerate(rows) if row.dataset == dataset]
    templates = sorted(rows_by_template(rows, inside))
    of_row = dict(zip(inside, examples([rows[number] for number in inside]).tolist(), strict=True))
    draw = random.Random(f"{seed}/{dataset}")  # noqa: S311 (an experiment's seed, no secret)
    template = draw.choice(templates)
    known = sorted(set(of_row.values()))
    half = set(draw.sample(known, len(known) // 2))
    target = [number for number in inside if of_row[number] in half and rows[number].template == template]
    same = frozenset(n for n in inside if of_row[n] not in half and rows[n].template != template)
    if not target or not same:
        return None
    others = [number for number, row in enumerate(rows) if family(row.dataset) != family(dataset)]
    return Left(draw.sample(target, min(asked, len(target))), sorted([*others, *same]), same)


def find(
    rows: Sequence[PoolRow], dataset: str, seed: int, methods: Sequence[str], choose: Choose, asked: int, budget: int
) -> Iterator[Found]:
    """What each method finds."""
    left = left_in(rows, dataset, seed, asked)
    if left is None:
        return
    for method in methods:
        chosen = choose(method, np.asarray(left.pool, dtype=np.int64), left.asked, budget, seed)
        hits = len(left.same.intersection(chosen))
        share = hits / max(1, len(chosen))
        by_chance = len(left.same) / len(left.pool)
        yield Found(dataset, seed, method, share, by_chance, hits / min(len(left.same), budget))
