"""A picture of a run: loss and dev scores over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tart_train.training_log import read_metrics

_SMOOTHED_STEPS = 25


def plot_training(run: Path, place: Path) -> list[Path]:
    """Draws ``training.png`` and ``training.svg``; nothing where matplotlib is not installed or nothing was logged.

    Args:
        run: With the metrics.
        place: Where the pictures go.

    Returns:
        The files.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return []
    rows = read_metrics(run)
    steps = [row for row in rows if "loss" in row]
    scored = [row for row in rows if "dev" in row]
    if not steps:
        return []
    figure = Figure(figsize=(7, 6 if scored else 3.4), layout="constrained")
    axes = figure.subplots(2 if scored else 1, 1, squeeze=False)[:, 0]
    _draw_loss(axes[0], steps)
    if scored:
        _draw_scores(axes[1], scored)
    axes[-1].set_xlabel("step")
    files = [place / "training.png", place / "training.svg"]
    for file in files:
        figure.savefig(file, dpi=150)
    return files


def _draw_loss(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    x = [row["step"] for row in rows]
    loss = np.array([row["loss"] for row in rows])
    axes.plot(x, loss, color="0.8", linewidth=0.8)
    width = min(_SMOOTHED_STEPS, len(loss))
    smooth = np.convolve(loss, np.ones(width) / width, mode="valid")
    axes.plot(x[width - 1 :], smooth, label=f"loss, mean of {width} steps")
    axes.set_ylabel("loss")
    axes.legend()


def _draw_scores(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    x = [row["step"] for row in rows]
    for way in sorted({way for row in rows for way in row["dev"].get("mean", {})}):
        axes.plot(x, [row["dev"]["mean"].get(way, np.nan) for row in rows], marker=".", label=way)
    axes.set_ylabel("nDCG@10, mean of dev sets")
    axes.legend()
