"""The plots of a report, as SVG that can stand inside a page."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tart.errors import DependencyError
from tart_train.evaluation.conditions import BARE, RIGHT, WRONG
from tart_train.evaluation.summary import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {BARE: "#8a8f98", RIGHT: "#1f6feb", WRONG: "#d1242f"}
_ROW = 0.42


def plots(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A caption and an SVG element each.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    if report["sets"]:
        yield "nDCG@10 by condition: closed (own corpus) and pooled (all corpora)", _svg(_conditions(report))
        if any("std" in one["figures"]["paraphrases"]["closed"] for one in report["sets"].values()):
            yield (
                "Closed nDCG@10 of every wording of the right instruction; the ring is the bare query",
                _svg(_wordings(report)),
            )
    if report["contrast"]:
        yield "Obedience on contrast sets; 0 is a model that does not read instructions", _svg(_contrasts(report))


def _conditions(report: Mapping[str, Any]) -> Figure:
    names = [*report["sets"], "mean"]
    figures = [one["figures"] for one in report["sets"].values()] + [report["mean"]]
    drawn = _figure(len(names))
    axes: Sequence[Axes] = drawn.subplots(1, 2, sharey=True)
    for axis, scope in zip(axes, ("closed", "pooled"), strict=True):
        for number, condition in enumerate((BARE, RIGHT, WRONG)):
            found = [figure(one, f"{condition}/{scope}/ndcg@10") for one in figures]
            _bars(axis, found, number, 3, condition, _COLOURS[condition])
        _label(axis, names, scope)
        axis.set_xlim(0, 100)
    _legend(axes[0])
    return drawn


def _wordings(report: Mapping[str, Any]) -> Figure:
    names = list(report["sets"])
    drawn = _figure(len(names))
    axis = drawn.subplots()
    for row, one in enumerate(report["sets"].values()):
        figures = one["figures"]
        points = [
            found["value"]
            for condition in figures
            if condition == RIGHT or condition.startswith("paraphrase-")
            if (found := figure(figures, f"{condition}/closed/ndcg@10"))
        ]
        axis.plot([min(points), max(points)], [row, row], color=_COLOURS[RIGHT], linewidth=1, alpha=0.5)
        axis.scatter(points, [row] * len(points), s=14, color=_COLOURS[RIGHT], alpha=0.7, linewidths=0)
        axis.scatter(
            [figures[BARE]["closed"]["ndcg@10"]["value"]], [row], s=40, facecolors="none", edgecolors="#57606a"
        )
    _label(axis, names, "nDCG@10")
    return drawn


def _contrasts(report: Mapping[str, Any]) -> Figure:
    names = [*report["contrast"], "mean"]
    figures = [one["figures"] for one in report["contrast"].values()] + [report["contrast_mean"]]
    drawn = _figure(len(names))
    axes: Sequence[Axes] = drawn.subplots(1, 2, sharey=True)
    for axis, path, title in zip(axes, ("p_mrr", "pair_accuracy"), ("p-MRR", "pair accuracy, %"), strict=True):
        _bars(axis, [figure(one, path) for one in figures], 0, 1, title, _COLOURS[RIGHT])
        axis.axvline(0, color="#57606a", linewidth=0.8)
        _label(axis, names, title)
    return drawn


def _bars(
    axis: Axes, found: Sequence[Mapping[str, float] | None], number: int, of: int, label: str, colour: str
) -> None:
    """One bar a row with its interval; rows without a figure stay empty."""
    height = 0.8 / of
    rows = [row for row, one in enumerate(found) if one]
    values = [one for one in found if one]
    places = [row - 0.4 + height * (number + 0.5) for row in rows]
    # A percentile interval need not hold its figure; an error bar must not be negative.
    errors = [
        [max(0.0, one["value"] - one["low"]) for one in values],
        [max(0.0, one["high"] - one["value"]) for one in values],
    ]
    style = {"elinewidth": 0.8, "ecolor": "#57606a"}
    axis.barh(places, [one["value"] for one in values], height, xerr=errors, color=colour, label=label, error_kw=style)


def _label(axis: Axes, names: Sequence[str], title: str) -> None:
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel(title)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", linewidth=0.4)
    axis.set_axisbelow(True)


def _legend(axis: Axes) -> None:
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)


def figure_class() -> type[Figure]:
    """What a plot is drawn on.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError("no matplotlib is installed; pip install 'tart-retrieval[train]'") from error
    return Figure


def _figure(rows: int) -> Figure:
    return figure_class()(figsize=(10, 1.4 + _ROW * rows), layout="constrained")


def _svg(drawn: Figure) -> str:
    """The figure as one element, the same bytes each time."""
    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "tart", "svg.fonttype": "none", "font.family": "sans-serif"}):
        drawn.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
