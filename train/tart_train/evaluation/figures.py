"""From values of queries to figures of sets and of means over sets, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart_train.evaluation.bootstrap import generator, interval, resampled_means
from tart_train.evaluation.conditions import BARE, RIGHT, WRONG
from tart_train.evaluation.measures import NDCG, spread
from tart_train.evaluation.set_result import CLOSED, POOLED, SCOPES, SetResult

Floats = NDArray[np.float64]

STD, STD_OVER_MEAN = "std", "std_over_mean"
GAP, OVER_BARE, OVER_WRONG = "gap", "over_bare", "over_wrong"


class Estimate(NamedTuple):
    """A figure and its bootstrap draws.

    Attributes:
        value: From all queries.
        draws: Shape: (resamples,).
    """

    value: float
    draws: Floats

    def to_json(self) -> dict[str, float]:
        """The figure with its 95 % interval, as a report holds it."""
        low, high = interval(self.draws)
        return {"value": round(self.value, 4), "low": round(low, 4), "high": round(high, 4)}


Figures = dict[str, Estimate]


def set_figures(result: SetResult, seed: int, resamples: int) -> Figures:
    """A set's figures by path, such as ``right/closed/ndcg@10``; in points, 0 to 100, but for ratios."""
    names = list(result.columns)
    values = np.stack([result.columns[name] for name in names], axis=1) * 100
    draws = resampled_means(values, resamples, generator(seed, result.name))
    points = _derived(dict(zip(names, values.mean(axis=0)[:, None], strict=True)), result.plan.paraphrases)
    drawn = _derived(dict(zip(names, draws.T, strict=True)), result.plan.paraphrases)
    return {path: Estimate(float(points[path][0]), drawn[path]) for path in points}


def mean_figures(sets: Sequence[Figures]) -> Figures:
    """Means over sets of the figures that all of them have; a draw takes one draw of every set."""
    if not sets:
        return {}
    shared = [path for path in sets[0] if all(path in one for one in sets)]
    return {
        path: Estimate(
            float(np.mean([one[path].value for one in sets])), np.mean([one[path].draws for one in sets], axis=0)
        )
        for path in shared
    }


def nested(figures: Figures) -> dict[str, Any]:
    """Figures as nested objects, one level for each part of a path."""
    tree: dict[str, Any] = {}
    for path, estimate in figures.items():
        *folders, leaf = path.split("/")
        branch = tree
        for folder in folders:
            branch = branch.setdefault(folder, {})
        branch[leaf] = estimate.to_json()
    return tree


def _derived(means: Mapping[str, Floats], paraphrases: Sequence[str]) -> dict[str, Floats]:
    """The means, and what is computed from them; shape: (draws,) each."""
    found = dict(means)
    for condition in dict.fromkeys(name.split("/")[0] for name in means if name.endswith(f"/{CLOSED}/{NDCG}")):
        closed = means[f"{condition}/{CLOSED}/{NDCG}"]
        if f"{condition}/{POOLED}/{NDCG}" in means:
            found[f"{condition}/{GAP}"] = closed - means[f"{condition}/{POOLED}/{NDCG}"]
    right = means[f"{RIGHT}/{CLOSED}/{NDCG}"]
    found[f"{RIGHT}/{OVER_BARE}"] = right - means[f"{BARE}/{CLOSED}/{NDCG}"]
    found[f"{RIGHT}/{OVER_WRONG}"] = right - means[f"{WRONG}/{CLOSED}/{NDCG}"]
    for scope in SCOPES:
        scores = np.stack([means[f"{condition}/{scope}/{NDCG}"] for condition in paraphrases], axis=-1)
        found[f"paraphrases/{scope}/{NDCG}"] = scores.mean(axis=-1)
        if len(paraphrases) > 1:
            deviation, ratio = spread(scores)
            found[f"paraphrases/{scope}/{STD}"] = deviation
            found[f"paraphrases/{scope}/{STD_OVER_MEAN}"] = ratio
    return found
