"""The figures of the goals from two evaluations: the base model and ours, and perhaps ours with a reranker."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tart_train.evaluation.bootstrap import generator, interval, resampled_means
from tart_train.evaluation.compare import MEAN, Difference, differences, paired, read_queries
from tart_train.evaluation.measures import spread
from tart_train.evaluation.report import REPORT
from tart_train.evaluation.summary import figure

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import table, write

SEED, RESAMPLES, PERMUTATIONS = 13, 2_000, 10_000
NDCG, STD, P_MRR, PAIRS = "ndcg@10", "paraphrases/closed/std", "p_mrr", "pair_accuracy"


class Evaluated(NamedTuple):
    """One folder of `tart eval run`."""

    report: Mapping[str, Any]
    queries: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Evaluated:
        """Both files of the folder."""
        queries = read_queries(folder)
        return cls(json.loads((folder / REPORT).read_text(encoding="utf-8")), queries)


class Comparison(NamedTuple):
    """One line of the goals: a figure of one evaluation against one of another.

    Attributes:
        name: What is asked.
        base: Measure of the first evaluation.
        ours: Measure of the second.
        part: ``sets`` or ``contrast``.
    """

    name: str
    base: str
    ours: str
    part: str = "sets"


GOALS = (
    Comparison("pooled, right instruction, against base bare", f"bare/pooled/{NDCG}", f"right/pooled/{NDCG}"),
    Comparison("pooled, right instruction, against base right", f"right/pooled/{NDCG}", f"right/pooled/{NDCG}"),
    Comparison("closed, bare, against base bare", f"bare/closed/{NDCG}", f"bare/closed/{NDCG}"),
    Comparison("closed, right instruction, against base bare", f"bare/closed/{NDCG}", f"right/closed/{NDCG}"),
    Comparison("closed, right instruction, against base right", f"right/closed/{NDCG}", f"right/closed/{NDCG}"),
    Comparison("closed, wrong instruction, against base wrong", f"wrong/closed/{NDCG}", f"wrong/closed/{NDCG}"),
    Comparison("closed, wrong instruction, against base bare", f"bare/closed/{NDCG}", f"wrong/closed/{NDCG}"),
    Comparison("pooled, wrong instruction, against base wrong", f"wrong/pooled/{NDCG}", f"wrong/pooled/{NDCG}"),
)
RERANKED = (
    Comparison("pooled, right instruction", f"right/pooled/{NDCG}", f"right+rerank/pooled/{NDCG}"),
    Comparison("closed, right instruction", f"right/closed/{NDCG}", f"right+rerank/closed/{NDCG}"),
    Comparison("closed, bare", f"bare/closed/{NDCG}", f"bare+rerank/closed/{NDCG}"),
)
OBEDIENCE = (
    Comparison("p-MRR", P_MRR, P_MRR, "contrast"),
    Comparison("pair accuracy", PAIRS, PAIRS, "contrast"),
)
HEADER = ("", "base", "ours", "difference", "95 % interval", "p")


def check(first: Evaluated, second: Evaluated) -> None:
    """Refuses evaluations of different sets: their means cannot be compared."""
    for part in ("sets", "contrast"):
        here, there = set(first.queries[part]), set(second.queries[part])
        if here != there:
            raise SystemExit(f"the folders differ in the {part} {sorted(here ^ there)}; evaluate both on the same ones")


def compared(first: Evaluated, second: Evaluated, asked: Comparison) -> list[Difference]:
    """Each set's difference and that of their mean; none where no set has the measures."""
    pairs = paired(first.queries[asked.part], second.queries[asked.part], asked.base, asked.ours)
    return differences(pairs, SEED, RESAMPLES, PERMUTATIONS) if pairs else []


def spreads(first: Evaluated, second: Evaluated) -> tuple[float, float, float, float, float] | None:
    """Mean standard deviation over wordings of each, the difference and its paired interval."""
    points, drawn = [], []
    for name in sorted(first.queries["sets"]):
        one, other = (evaluated.queries["sets"][name]["values"] for evaluated in (first, second))
        wordings = [f"{condition}/closed/{NDCG}" for condition in _wordings(one)]
        if len(wordings) < 2:
            continue
        values = 100 * np.array([each[wording] for each in (one, other) for wording in wordings]).T
        means = resampled_means(values, RESAMPLES, generator(SEED, name)).reshape(RESAMPLES, 2, -1)
        points.append(spread(values.mean(axis=0).reshape(2, -1))[0])
        drawn.append(spread(means)[0])
    if not points:
        return None
    base, ours = np.mean(points, axis=0)
    low, high = interval(np.diff(np.mean(drawn, axis=0), axis=1)[:, 0])
    return float(base), float(ours), float(ours - base), low, high


def _wordings(values: Mapping[str, Any]) -> list[str]:
    found = {name.split("/")[0] for name in values if name.endswith(f"/closed/{NDCG}")}
    return [name for name in sorted(found) if name == "right" or name.startswith("paraphrase-")]


def row(name: str, found: Difference, digits: int = 1) -> list[str]:
    """A line of a table."""
    values = (f"{found.a:.{digits}f}", f"{found.b:.{digits}f}", f"**{found.difference:+.{digits}f}**")
    return [name, *values, f"{found.low:+.{digits}f} to {found.high:+.{digits}f}", p(found.p)]


def p(value: float) -> str:
    """As a table shows it."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def goals(first: Evaluated, second: Evaluated, asked: Sequence[Comparison]) -> tuple[list[list[str]], dict[str, Any]]:
    """The means of several comparisons, as rows and for the JSON."""
    rows, figures = [], {}
    for one in asked:
        found = compared(first, second, one)
        if found:
            rows.append(row(one.name, found[-1]))
            figures[one.name] = {each.name: each._asdict() for each in found}
    return rows, figures


def obedience(first: Evaluated, second: Evaluated) -> tuple[str, dict[str, Any]]:
    """p-MRR and pair accuracy of each contrast set, and their means."""
    parts, figures = [], {}
    for one in OBEDIENCE:
        found = compared(first, second, one)
        if not found:
            continue
        rows = []
        for each in found:
            reports = [_reported(evaluated, each.name, one.base) for evaluated in (first, second)]
            rows.append([each.name, *reports, *row("", each)[3:]])
        header = ["contrast set", *HEADER[1:]]
        parts.append(f"### {one.name}\n\n{table(header, rows)}")
        figures[one.name] = {each.name: each._asdict() for each in found}
    return "\n\n".join(parts), figures


def _reported(evaluated: Evaluated, name: str, path: str) -> str:
    """What the evaluation itself says, with its interval."""
    contrast = evaluated.report["contrast"]
    return value(evaluated.report["contrast_mean"] if name == MEAN else contrast[name]["figures"], path)


def value(figures: Mapping[str, Any], path: str) -> str:
    """A figure with its 95 % interval."""
    found = figure(figures, path)
    return f"{found['value']:.1f} [{found['low']:.1f}, {found['high']:.1f}]" if found else "-"


def by_set(base: Evaluated, ours: Evaluated, both: Evaluated | None) -> str:
    """Every set's figures."""
    columns = [
        *((f"{who} {condition} {scope}", evaluated, f"{condition}/{scope}/{NDCG}")
          for scope in ("closed", "pooled") for condition in ("bare", "right", "wrong")
          for who, evaluated in (("base", base), ("ours", ours))),
        ("base std", base, STD),
        ("ours std", ours, STD),
    ]  # fmt: skip
    if both is not None:
        columns += [(f"reranked {scope}", both, f"right+rerank/{scope}/{NDCG}") for scope in ("closed", "pooled")]

    def cells(name: str) -> list[str]:
        shown = []
        for _, evaluated, path in columns:
            report = evaluated.report
            found = figure(report["mean"] if name == MEAN else report["sets"][name]["figures"], path)
            shown.append(f"{found['value']:.1f}" if found else "-")
        return [name, *shown]

    names = [*sorted(base.report["sets"]), MEAN]
    return table(["set", *(heading for heading, _, _ in columns)], [cells(name) for name in names])


def about(evaluated: Evaluated) -> str:
    """Which model was evaluated."""
    model, reranker = evaluated.report["model"], evaluated.report.get("reranker") or {}
    name = f"{Path(model['name']).name} ({model['fingerprint'][:19]}, {model['dtype']})"
    return f"{name}, reranked by {Path(reranker['name']).name}" if reranker else name


def main() -> None:
    """Compares and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path, help="folder that tart eval run wrote for the base model")
    parser.add_argument("ours", type=Path, help="the same of ours")
    parser.add_argument("reranked", type=Path, nargs="?", help="the same of ours with --rerank")
    given = parser.parse_args()
    base, ours = Evaluated.read(given.base), Evaluated.read(given.ours)
    both = Evaluated.read(given.reranked) if given.reranked else None
    for other in (ours, *([both] if both else [])):
        check(base, other)
    rows, figures = goals(base, ours, GOALS)
    deviation = spreads(base, ours)
    if deviation:
        first, second, difference, low, high = deviation
        name = "std over paraphrases, closed (lower is better)"
        rows.append(
            [name, f"{first:.2f}", f"{second:.2f}", f"**{difference:+.2f}**", f"{low:+.2f} to {high:+.2f}", "-"]
        )
        figures[name] = dict(zip(("a", "b", "difference", "low", "high"), deviation, strict=True))
    sets, queries = base.queries["sets"], sum(len(one["queries"]) for one in base.queries["sets"].values())
    parts = [
        f"base: {about(base)}\n\nours: {about(ours)}\n\n"
        + (f"reranked: {about(both)}\n\n" if both else "")
        + f"{len(sets)} sets with {queries:,} queries, {len(base.queries['contrast'])} contrast sets. Points;\n"
        "nDCG@10 is the mean over sets. Differences are paired by query: 95 % bootstrap intervals, p of the\n"
        "randomisation test.",
        f"## Goals\n\n{table(HEADER, rows)}",
    ]
    shown, contrast = obedience(base, ours)
    if shown:
        note = (
            "In brackets each figure's own 95 % interval. p-MRR's difference is paired by group, its figures are\n"
            "means over queries: where groups differ in size, the two can differ slightly."
        )
        parts.append(f"## Obedience\n\n{note}\n\n{shown}")
    if both:
        gained, reranked = goals(ours, both, RERANKED)
        header = ("", "ours", "reranked", *HEADER[3:])
        parts.append(f"## Reranking\n\n{table(header, gained)}")
        shown, reranked_contrast = obedience(ours, both)
        if shown:
            parts.append(shown.replace("| base | ours |", "| ours | reranked |").replace("### ", "### Reranked: "))
        figures["reranked"] = {**reranked, **reranked_contrast}
    parts.append(f"## Sets\n\nnDCG@10; std: of closed nDCG@10 over wordings.\n\n{by_set(base, ours, both)}")
    title = "TART-dual against its base model"
    write(Path(__file__).parent, title, "\n\n".join(parts), {"goals": figures, "obedience": contrast})


if __name__ == "__main__":
    main()
