"""The tables of the replication's report, from its results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.reporting import table
from bench.select.cells import Result
from bench.select.experiment import OWN, UNTRAINED, WHOLE
from bench.select.found import Found
from bench.select.intervals import Figure, Values, over_datasets, over_seeds, paired

BASE = "random"
# Controls first, then what is to beat them, then what bounds them.
ORDER = (
    UNTRAINED,
    BASE,
    "balanced",
    "bm25",
    "deft",
    "deft, instruction",
    "rds",
    "rds, instruction",
    "round-robin",
    "round-robin, instruction",
    WHOLE,
    OWN,
)


class Part(NamedTuple):
    """Results of one tier and budget.

    Attributes:
        tier: See `Cell`.
        budget: See `Cell`.
        values: Method -> dataset -> seed -> accuracy in points.
    """

    tier: str
    budget: int
    values: Mapping[str, Values]


def parts(results: Iterable[Result]) -> list[Part]:
    """Results by tier and budget, methods in the report's order."""
    found: dict[tuple[str, int], dict[str, dict[str, dict[int, float]]]] = {}
    for result in results:
        cell = result.cell
        methods = found.setdefault((cell.tier, cell.budget), {})
        methods.setdefault(cell.method, {}).setdefault(cell.dataset, {})[cell.seed] = 100 * result.accuracy
    return [
        Part(tier, budget, {method: _sorted(methods[method]) for method in ORDER if method in methods})
        for (tier, budget), methods in sorted(found.items(), reverse=True)
    ]


def _sorted(values: Mapping[str, Mapping[int, float]]) -> dict[str, dict[int, float]]:
    return {dataset: dict(sorted(values[dataset].items())) for dataset in sorted(values)}


def complete(part: Part) -> Part:
    """Only datasets and seeds that every method of the part has: a mean over other cells compares nothing."""
    shared = set.intersection(
        *({(dataset, seed) for dataset, seeds in values.items() for seed in seeds} for values in part.values.values())
    )
    kept = {
        method: {
            dataset: {seed: value for seed, value in seeds.items() if (dataset, seed) in shared}
            for dataset, seeds in values.items()
            if any((dataset, seed) in shared for seed in seeds)
        }
        for method, values in part.values.items()
    }
    return part._replace(values=kept)


def summary(part: Part) -> tuple[str, dict[str, Any]]:
    """Means over datasets and differences to random, as a table and as figures."""
    rows, figures = [], {}
    base = part.values.get(BASE, {})
    for method, values in part.values.items():
        mean = over_datasets(values, method)
        found: dict[str, Any] = {"mean": mean._asdict()}
        row = [method, f"{mean:.1f}"]
        if method != BASE and base:
            differences = paired(values, base)
            gained = over_datasets(differences, method)
            means = [np.mean(list(seeds.values())) for seeds in differences.values()]
            won = int(np.sum(np.asarray(means) > 0))
            found |= {"over_random": gained._asdict(), "datasets_won": won, "datasets": len(means)}
            row += [bold(gained), f"{won} of {len(means)}"]
        figures[method] = found
        rows.append(row + [""] * (4 - len(row)))
    header = ["", "accuracy, mean over datasets", "difference to random", "datasets above random"]
    return table(header, rows), figures


def bold(gained: Figure) -> str:
    """A difference; bold where its interval leaves out 0."""
    text = f"{gained:+.1f}"
    return f"**{text}**" if gained.low > 0 or gained.high < 0 else text


def by_dataset(part: Part, chances: Mapping[str, Chance]) -> tuple[str, dict[str, Any]]:
    """A line for each dataset: every method's mean over seeds, and its interval in the figures."""
    datasets = sorted({dataset for values in part.values.values() for dataset in values})
    figures: dict[str, Any] = {}
    rows = []
    for dataset in datasets:
        found = {method: over_seeds(values[dataset], dataset) for method, values in part.values.items()}
        figures[dataset] = {method: figure._asdict() for method, figure in found.items()}
        chance = chances.get(dataset)
        known = ["-", "-"] if chance is None else [f"{chance.guess:.0f}", f"{chance.majority:.0f}"]
        rows.append([dataset, *known, *(f"{figure.mean:.1f} ±{_half(figure):.1f}" for figure in found.values())])
    return table(["", "guess", "majority", *part.values], rows), figures


def _half(figure: Figure) -> float:
    return (figure.high - figure.low) / 2


class Chance(NamedTuple):
    """What needs no model, in points.

    Attributes:
        guess: Any answer.
        majority: Each template's most frequent answer among the scored rows themselves.
    """

    guess: float
    majority: float


def found_table(found: Sequence[Found]) -> tuple[str, dict[str, Any]]:
    """Share of same-dataset rows among the first chosen, by dataset and method, in points, means over seeds."""
    methods = list(dict.fromkeys(one.method for one in found))
    datasets = sorted({one.dataset for one in found})
    rows, figures = [], {}
    for dataset in datasets:
        here = [one for one in found if one.dataset == dataset]
        chance = 100 * float(np.mean([one.by_chance for one in here]))
        shares, recalls = (
            {m: 100 * float(np.mean([getattr(one, name) for one in here if one.method == m])) for m in methods}
            for name in ("share", "recall")
        )
        figures[dataset] = {"by_chance": chance, "share": shares, "recall": recalls}
        rows.append([dataset, f"{chance:.1f}", *(f"{shares[m]:.1f} ({recalls[m]:.0f})" for m in methods)])
    means = [float(np.mean([figures[dataset]["share"][m] for dataset in datasets])) for m in methods]
    chance = float(np.mean([figures[dataset]["by_chance"] for dataset in datasets]))
    rows.append(["mean", f"{chance:.1f}", *(f"{mean:.1f}" for mean in means)])
    return table(["", "by chance", *methods], rows), figures
