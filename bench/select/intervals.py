"""Means over datasets and seeds, with intervals that draw both anew."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000

# Dataset -> seed -> value.
Values = Mapping[str, Mapping[int, float]]


class Figure(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def over_datasets(values: Values, name: str) -> Figure:
    """The mean over datasets of their means over seeds; a draw takes datasets anew, and seeds within each."""
    random = _generator(name)
    drawn = np.stack([_resampled(np.array(list(seeds.values())), random) for seeds in values.values()])
    datasets = random.integers(0, len(drawn), size=(RESAMPLES, len(drawn)))
    means = np.take_along_axis(drawn.T, datasets, axis=1).mean(axis=1)
    return _figure(float(np.mean([np.mean(list(seeds.values())) for seeds in values.values()])), means)


def over_seeds(seeds: Mapping[int, float], name: str) -> Figure:
    """The mean over the seeds of one dataset."""
    values = np.array(list(seeds.values()))
    return _figure(float(values.mean()), _resampled(values, _generator(name)))


def paired(values: Values, base: Values) -> dict[str, dict[int, float]]:
    """Differences to a base, for the datasets and seeds that both have."""
    found = {
        dataset: {seed: value - base[dataset][seed] for seed, value in seeds.items() if seed in base.get(dataset, {})}
        for dataset, seeds in values.items()
    }
    return {dataset: seeds for dataset, seeds in found.items() if seeds}


def _resampled(values: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Means of values drawn with replacement. Shape: (RESAMPLES,)."""
    places = random.integers(0, len(values), size=(RESAMPLES, len(values)))
    means: NDArray[np.float64] = values[places].mean(axis=1)
    return means


def _figure(mean: float, draws: NDArray[np.float64]) -> Figure:
    low, high = np.percentile(draws, [2.5, 97.5])
    return Figure(mean, float(low), float(high))


def _generator(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
