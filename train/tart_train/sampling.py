"""Which examples make up which batch: a function of the recipe's seed and the step alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart_train.recipe import RecipeError, SamplingSettings

# Streams of random numbers that must not overlap.
_CHOICES, _ORDER = 1, 2


class Draw(NamedTuple):
    """One example of a batch.

    Attributes:
        row: Its number in the mixture.
        epoch: How often its task was gone through before; wordings are drawn anew for each.
    """

    row: int
    epoch: int


class _Task:
    """A task's units (single examples, or whole groups) in an endless sequence of shuffled passes."""

    def __init__(self, units: Sequence[tuple[int, ...]], seed: Sequence[int]) -> None:
        self._units = units
        self._seed = seed
        self._taken = 0
        self._pass = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    def next(self) -> tuple[int, tuple[int, ...], int]:
        """Number, rows and pass of the unit that `take` would take."""
        number, place = divmod(self._taken, len(self._units))
        if number != self._pass:
            self._pass = number
            self._order = np.random.default_rng([*self._seed, number]).permutation(len(self._units))
        unit = int(self._order[place])
        return unit, self._units[unit], number

    def take(self) -> None:
        self._taken += 1


class Schedule:
    """Batches of a mixture, the same ones for the same seed.

    Tasks are drawn by their size to the power `alpha` (temperature sampling, Raffel et al. 2020, section 3.5.2), and
    within a task without replacement. Rows of one group stay together: their documents are each other's negatives.

    Args:
        tasks: Of each example.
        groups: Of each example; "" is no group.
        settings: The recipe's part.
        seed: The recipe's.

    Raises:
        RecipeError: A weight names no task, all tasks weigh nothing, or a group is larger than a batch.
    """

    def __init__(self, tasks: Sequence[str], groups: Sequence[str], settings: SamplingSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        sizes: dict[str, int] = {}
        for task in tasks:
            sizes[task] = sizes.get(task, 0) + 1
        unknown = sorted(set(settings.weights) - set(sizes))
        if unknown:
            raise RecipeError(f"sampling.weights names the task {unknown[0]!r}; the mixture has {', '.join(sizes)}")
        weighed = {task: size**settings.alpha * settings.weights.get(task, 1.0) for task, size in sizes.items()}
        total = math.fsum(weighed.values())
        if total <= 0:
            raise RecipeError("sampling.weights leaves every task out; give one a weight above 0")
        self.shares: Mapping[str, float] = {task: weight / total for task, weight in weighed.items() if weight > 0}
        self._units = _units(tasks, groups)
        self._check_groups()

    def batches(self, start: int = 0) -> Iterator[list[Draw]]:
        """Batches without end, from step `start` on: the earlier ones are gone through without being read."""
        tasks = [_Task(self._units[task], [self._seed, _ORDER, n]) for n, task in enumerate(self.shares)]
        shares = np.array(list(self.shares.values()))
        # A draw of a group brings all its rows: it must come so much more rarely.
        rows = np.array([np.mean([len(unit) for unit in self._units[task]]) for task in self.shares])
        per_unit = (shares / rows) / (shares / rows).sum()
        step = 0
        while True:
            chance = np.random.default_rng([self._seed, _CHOICES, step])
            if chance.random() < self._settings.homogeneous:
                order = np.full(self._settings.batch_size, chance.choice(len(tasks), p=shares))
            else:
                order = chance.choice(len(tasks), p=per_unit, size=self._settings.batch_size)
            batch = self._fill(tasks, order)
            if step >= start:
                yield batch
            step += 1

    def _fill(self, tasks: Sequence[_Task], order: NDArray[np.int64]) -> list[Draw]:
        """One batch from the tasks' next units; a unit that does not fit waits for the next batch."""
        batch: list[Draw] = []
        closed: set[int] = set()
        taken: set[tuple[int, int]] = set()
        for number in order.tolist():
            if number in closed or len(batch) == self._settings.batch_size:
                continue
            unit, rows, epoch = tasks[number].next()
            if len(batch) + len(rows) > self._settings.batch_size or (number, unit) in taken:
                closed.add(number)
                continue
            tasks[number].take()
            taken.add((number, unit))
            batch += [Draw(row, epoch) for row in rows]
        return batch

    def _check_groups(self) -> None:
        for task in self.shares:
            largest = max(len(unit) for unit in self._units[task])
            if largest > self._settings.batch_size:
                raise RecipeError(
                    f"sampling.batch_size is {self._settings.batch_size}, but a group of the task {task!r} has "
                    f"{largest} rows, which belong into one batch; set it to {largest} or more"
                )


def _units(tasks: Sequence[str], groups: Sequence[str]) -> dict[str, list[tuple[int, ...]]]:
    """Rows that go together, by task; a group belongs to the task of its first row."""
    together: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        together.setdefault(group or f"\0{row}", []).append(row)
    units: dict[str, list[tuple[int, ...]]] = {task: [] for task in tasks}
    for rows in together.values():
        units[tasks[rows[0]]].append(tuple(rows))
    return {task: found for task, found in units.items() if found}
