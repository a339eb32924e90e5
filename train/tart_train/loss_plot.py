"""The loss curve of a run as a picture."""

from __future__ import annotations

from pathlib import Path

from tart_train.training_log import read_metrics

PLOT = "loss.png"
_SMOOTHING = 0.05


def draw_losses(run: Path, file: Path) -> bool:
    """Draws the loss of every step, and its running mean, where Matplotlib is installed.

    Args:
        run: The run's folder, with its metrics.
        file: The picture to write.

    Returns:
        Whether there is a picture now.
    """
    rows = [row for row in read_metrics(run) if "loss" in row]
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    if not rows:
        return False
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
    axes.plot(steps, losses, color="0.8", linewidth=0.7, label="each step")
    axes.plot(steps, running_mean(losses), color="C0", label="running mean")
    axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
    axes.legend()
    figure.savefig(file, dpi=120)
    return True


def running_mean(values: list[float], share: float = _SMOOTHING) -> list[float]:
    """An exponential running mean that starts unbiased (Kingma & Ba 2015, section 3)."""
    means, mean, weight = [], 0.0, 0.0
    for value in values:
        mean += share * (value - mean)
        weight += share * (1 - weight)
        means.append(mean / weight)
    return means
