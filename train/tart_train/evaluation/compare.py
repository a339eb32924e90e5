"""Two evaluations side by side, query by query."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart_train.evaluation.bootstrap import generator, holm, interval, randomisation_p, resampled_means
from tart_train.evaluation.report import PER_QUERY, PER_QUERY_KIND
from tart_train.examples import DataError

Floats = NDArray[np.float64]

# What is compared, where both have it; closed and pooled quality first, obedience last.
SET_MEASURES = (
    "bare/closed/ndcg@10",
    "right/closed/ndcg@10",
    "wrong/closed/ndcg@10",
    "right/pooled/ndcg@10",
    "right/pooled/wrong_task@10",
    "paraphrases/closed/robustness@10",
    "right+rerank/closed/ndcg@10",
    "right+rerank/pooled/ndcg@10",
)
CONTRAST_MEASURES = ("p_mrr", "pair_accuracy", "direction_accuracy")
MEAN = "mean"


class Paired(NamedTuple):
    """The values of one measure on one set: shapes (n_queries,), in points."""

    name: str
    a: Floats
    b: Floats


class Difference(NamedTuple):
    """What one measure says of two systems.

    Attributes:
        name: The set, or `MEAN`.
        a: The first system's figure, in points.
        b: The second's.
        difference: b - a.
        low: Of its 95 % paired bootstrap interval.
        high: Of the same.
        p: Of the paired randomisation test, two-sided.
        p_holm: Corrected for the number of sets; of the mean it is `p`, which is one test.
    """

    name: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float


def compare_folders(
    a: Path, b: Path, *, seed: int = 13, resamples: int = 2_000, permutations: int = 10_000
) -> dict[str, Any]:
    """Compares two folders that `tart eval run` wrote, on the sets that both have.

    Returns:
        ``{"a": model, "b": model, "sets": {measure: [row]}, "contrast": {measure: [row]}}``, rows as `Difference`.

    Raises:
        DataError: A folder holds no evaluation, they share no set, or a set's queries differ.
    """
    first, second = read_queries(a), read_queries(b)
    found: dict[str, Any] = {"kind": "tart-comparison", "format": 1, "a": _about(a, first), "b": _about(b, second)}
    found["settings"] = {"seed": seed, "resamples": resamples, "permutations": permutations}
    shared = 0
    for part, measures in (("sets", SET_MEASURES), ("contrast", CONTRAST_MEASURES)):
        found[part] = {}
        for measure in measures:
            pairs = paired(first[part], second[part], measure)
            shared += len(pairs)
            if pairs:
                rows = differences(pairs, seed, resamples, permutations)
                found[part][measure] = [_row(row) for row in rows]
    if not shared:
        raise DataError(f"{a} and {b} have no set in common; evaluate both on the same sets")
    return found


def differences(pairs: Sequence[Paired], seed: int, resamples: int, permutations: int) -> list[Difference]:
    """One row a set, and their mean last."""
    rows = []
    drawn = []
    for pair in pairs:
        gained = pair.b - pair.a
        drawn.append(resampled_means(gained[:, None], resamples, generator(seed, pair.name))[:, 0])
        p = randomisation_p([gained], permutations, generator(seed + 1, pair.name))
        rows.append(_difference(pair.name, pair.a.mean(), pair.b.mean(), drawn[-1], p))
    corrected = holm([row.p for row in rows])
    rows = [row._replace(p_holm=p) for row, p in zip(rows, corrected, strict=True)]
    p = randomisation_p([pair.b - pair.a for pair in pairs], permutations, generator(seed + 1, MEAN))
    a, b = (float(np.mean([row[column] for row in rows])) for column in (1, 2))
    return [*rows, _difference(MEAN, a, b, np.mean(drawn, axis=0), p)]


def _difference(name: str, a: float, b: float, drawn: Floats, p: float) -> Difference:
    low, high = interval(drawn)
    return Difference(name, float(a), float(b), float(b - a), low, high, p, p)


def paired(
    first: Mapping[str, Any], second: Mapping[str, Any], measure: str, other_measure: str | None = None
) -> list[Paired]:
    """The sets that both have with this measure, sorted by name.

    Args:
        first: Sets, or contrast sets, of `read_queries`.
        second: The same of the other evaluation.
        measure: For example ``right/closed/ndcg@10``.
        other_measure: Of the second evaluation; the same one by default.

    Raises:
        DataError: A set's queries differ.
    """
    found = []
    wanted = other_measure or measure
    for name in sorted(first.keys() & second.keys()):
        one, other = first[name], second[name]
        if one["queries"] != other["queries"]:
            raise DataError(
                f"set {name!r}: the two evaluations have different queries ({len(one['queries'])} and "
                f"{len(other['queries'])}); evaluate both with the same files and the same --limit-queries"
            )
        if measure in one["values"] and wanted in other["values"]:
            a, b = (np.array(each, dtype=np.float64) for each in (one["values"][measure], other["values"][wanted]))
            there = ~(np.isnan(a) | np.isnan(b))
            if there.any():
                found.append(Paired(name, 100 * a[there], 100 * b[there]))
    return found


def read_queries(folder: Path) -> dict[str, Any]:
    """What `per_query.json` of an evaluation's folder holds.

    Raises:
        DataError: The folder holds no evaluation.
    """
    file = folder / PER_QUERY
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read ({error.strerror}); wanted a folder that `tart eval run` wrote"
        ) from error
    except ValueError as error:
        raise DataError(f"{file}: not JSON ({error}); run the evaluation again") from error
    if not isinstance(content, dict) or content.get("kind") != PER_QUERY_KIND:
        raise DataError(f"{file}: is not of an evaluation; wanted a folder that `tart eval run` wrote")
    return content


def _about(folder: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"folder": folder.name, **content["model"]}


def _row(row: Difference) -> dict[str, Any]:
    return {name: value if isinstance(value, str) else round(value, 6) for name, value in row._asdict().items()}
