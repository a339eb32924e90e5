"""The tables of a report, as rows of text; Markdown and HTML draw the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tart_train.evaluation.conditions import BARE, RIGHT, WRONG
from tart_train.evaluation.reranking import RERANKED
from tart_train.evaluation.summary import CONTRAST_COLUMNS, SET_COLUMNS, figure


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: What it is about.
        note: How to read it.
        headings: Of the columns.
        rows: As many cells as headings each; the first is a name.
    """

    title: str
    note: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_CONDITION_COLUMNS = {
    "closed nDCG@10": "closed/ndcg@10",
    "pooled nDCG@10": "pooled/ndcg@10",
    "gap": "gap",
    "wrong task@10": "pooled/wrong_task@10",
    "closed recall@100": "closed/recall@100",
    "pooled recall@100": "pooled/recall@100",
    "closed success@5": "closed/success@5",
    "pooled success@5": "pooled/success@5",
}


def tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """All tables of a report, the most telling first."""
    if report["sets"]:
        yield _conditions(report)
        yield _sets(report)
        yield _wordings(report)
        if report["levels"]:
            yield _levels(report)
    if report["contrast"]:
        yield _contrasts(report)
    if report["sets"]:
        yield _instructions(report)


def _conditions(report: Mapping[str, Any]) -> Table:
    names = [BARE, RIGHT, "paraphrases", WRONG, *(one + RERANKED for one in (BARE, RIGHT, WRONG))]
    rows = [
        (name, *_cells(report["mean"][name], _CONDITION_COLUMNS.values())) for name in names if name in report["mean"]
    ]
    return Table(
        "Conditions, mean over sets",
        "Points, with 95 % bootstrap intervals. Gap: closed less pooled nDCG@10. Wrong task: share of the pooled "
        "top ten that comes from another set's corpus.",
        ("condition", *_CONDITION_COLUMNS),
        tuple(rows),
    )


def _sets(report: Mapping[str, Any]) -> Table:
    rows = [(name, *_cells(one["figures"], SET_COLUMNS.values())) for name, one in report["sets"].items()]
    rows.append(("mean", *_cells(report["mean"], SET_COLUMNS.values())))
    note = (
        "nDCG@10 in points. bare, right, wrong: closed. pooled, gap, wrong-task: under the right instruction. "
        "std, robust: over its wordings, closed."
    )
    return Table("Sets", note, ("set", *SET_COLUMNS), tuple(rows))


def _wordings(report: Mapping[str, Any]) -> Table:
    columns = {
        "mean": "paraphrases/closed/ndcg@10",
        "std": "paraphrases/closed/std",
        "std / mean": "paraphrases/closed/std_over_mean",
        "robustness@10": "paraphrases/closed/robustness@10",
        "pooled std": "paraphrases/pooled/std",
        "pooled robustness@10": "paraphrases/pooled/robustness@10",
        "right over bare": "right/over_bare",
        "right over wrong": "right/over_wrong",
    }
    rows = [(name, *_cells(one["figures"], columns.values())) for name, one in report["sets"].items()]
    rows.append(("mean", *_cells(report["mean"], columns.values())))
    note = "How the same instruction in other words changes closed nDCG@10, and what an instruction is worth."
    return Table("Wordings", note, ("set", *columns), tuple(rows))


def _levels(report: Mapping[str, Any]) -> Table:
    rows = [
        (level, str(len(one["sets"])), *_cells(one["figures"], SET_COLUMNS.values()))
        for level, one in report["levels"].items()
    ]
    note = "Levels of generalisation after OPT-IML; means over the sets of a level."
    return Table("Levels", note, ("level", "sets", *SET_COLUMNS), tuple(rows))


def _contrasts(report: Mapping[str, Any]) -> Table:
    rows = [
        (name, f"{one['groups']:,}", f"{one['pairs']:,}", *_cells(one["figures"], CONTRAST_COLUMNS.values()))
        for name, one in report["contrast"].items()
    ]
    rows.append(("mean", "", "", *_cells(report["contrast_mean"], CONTRAST_COLUMNS.values())))
    note = (
        "Obedience, in points: a model that does not read instructions has p-MRR 0, pairs 0 and directions 50. "
        "bare, right: nDCG@10."
    )
    return Table("Contrast sets", note, ("contrast set", "groups", "pairs (d, e)", *CONTRAST_COLUMNS), tuple(rows))


def _instructions(report: Mapping[str, Any]) -> Table:
    rows = []
    for name, one in report["sets"].items():
        words = one["instructions"]
        right = (words["paraphrases"] or ["each query's own"])[0]
        rows.append((name, right, words["wrong"], words["wrong_from"] or "-"))
    return Table("Instructions", "What was asked.", ("set", "right", "wrong", "wrong one taken from"), tuple(rows))


def _cells(figures: Mapping[str, Any], paths: Any) -> Iterator[str]:
    for path in paths:
        found = figure(figures, path)
        digits = 3 if path.endswith("std_over_mean") else 1
        yield f"{found['value']:.{digits}f} [{found['low']:.{digits}f}, {found['high']:.{digits}f}]" if found else "-"
