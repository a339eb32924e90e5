"""What a query costs as an index grows: the same vectors, more and more of them, at the same recall."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from kept_steps import HERE, Steps
from reporting import Spread, table, write

_ABOUT = """\
The first {sizes} of the vectors of `ann.py`, each an index as `tart index tune --recall {recall}` makes it, {queries:,}
queries one a call on one thread, {rounds} rounds in turn, each in a process of its own. Efforts are the smallest that
reach the recall on these queries. Small indexes are searched exactly, which is what `tune` chooses for them."""


def measure(options: argparse.Namespace, largest: int) -> dict[int, dict[str, Any]]:
    """Figures by the number of rows."""
    found: dict[int, dict[str, Any]] = {}
    prepared = {rows: prepare(options, rows, largest) for rows in options.sizes}
    for number in range(options.rounds):
        for rows, (steps, files, fitted) in prepared.items():
            effort = ("--effort", fitted["effort"]) if fitted["effort"] else ()
            one = steps.own(f"grown-{number}", "ask", *files, *effort)
            found.setdefault(rows, {"factory": fitted["factory"], "effort": fitted["effort"], "runs": []})
            found[rows]["runs"].append(one)
    return found


def prepare(options: argparse.Namespace, rows: int, largest: int) -> tuple[Steps, Sequence[object], dict[str, Any]]:
    """An index of the first rows, with the structure that `tune` chooses and its effort."""
    import json

    home = options.cache / str(rows)
    steps = Steps(home, options.peers)
    vectors = ("--folder", options.cache / "vectors" / str(largest), "--threads", options.threads)
    seed = ("--seed", options.seed)
    steps.own("data", "data", *vectors, "--rows", largest, "--queries", options.queries, *seed)
    files = (*vectors, "--rows", rows, "--index", home / "ours", "--truth", home / "truth.npy")
    steps.own("import", "import", *files, *seed)
    steps.own("truth", "truth", *files)
    built = steps.own("build-ours", "tune", *files, "--recall", options.recall)
    fitted = steps.own("fit-ours", "fit", *files, "--recall", options.recall)
    effort = json.dumps(fitted["effort"]) if fitted["effort"] else ""
    return steps, files, {"factory": built["factory"], "effort": effort}


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of a straight line through the logarithms: 1 is linear."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def draw(found: Mapping[int, Mapping[str, Any]], slope: float, file: Path) -> None:
    """Milliseconds of a query by rows, both logarithmic, beside the line of linear growth."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    sizes = list(found)
    spreads = [_milliseconds(found[rows]["runs"]) for rows in sizes]
    medians = [spread.median for spread in spreads]
    ranges = [[s.median - s.low for s in spreads], [s.high - s.median for s in spreads]]
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    label = f"ours; with a structure, rows to the power of {slope:.2f}"
    axes.errorbar(sizes, medians, yerr=ranges, marker="o", capsize=3, label=label)
    linear = [medians[0] * rows / sizes[0] for rows in sizes]
    axes.plot(sizes, linear, linestyle="--", color="grey", label="linear growth from the smallest")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("documents")
    axes.set_ylabel("milliseconds a query, one thread")
    axes.legend()
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def _milliseconds(runs: Sequence[Mapping[str, Any]]) -> Spread:
    return Spread.of([1_000 / one["single"] for one in runs])


def report(options: argparse.Namespace, found: Mapping[int, Mapping[str, Any]]) -> None:
    """Writes growth.md, growth.json and growth.svg."""
    sizes = list(found)
    medians = {rows: _milliseconds(one["runs"]).median for rows, one in found.items()}
    # Exact search, where it is the choice, would hide how the structures grow.
    structured = [rows for rows, one in found.items() if one["factory"] != "exact"] or sizes
    slope = exponent(structured, [medians[rows] for rows in structured])
    draw(found, slope, options.out / "growth.svg")
    lines = [
        [
            f"{rows:,}",
            f"{_milliseconds(one['runs']):.3f}",
            f"{one['runs'][0]['recall']:.4f}",
            f"`{one['factory']}`",
            one["effort"] or "-",
        ]
        for rows, one in found.items()
    ]
    told = _ABOUT.format(
        sizes=", ".join(f"{rows:,}" for rows in sizes),
        recall=options.recall,
        queries=options.queries,
        rounds=options.rounds,
    )
    held = "sub-linear, as wanted" if slope < 1 else "NOT sub-linear"
    body = [
        told,
        (
            f"Among the sizes that have a structure, cost grows as rows to the power of {slope:.2f}: {held}. From the "
            f"smallest size to the largest, {sizes[-1] / sizes[0]:,.0f} times the documents, a query costs "
            f"{medians[sizes[-1]] / medians[sizes[0]]:.1f} times as much."
        ),
        table(["documents", "ms a query", "recall@10", "structure", "effort"], lines),
        "![milliseconds a query by documents](growth.svg)",
    ]
    figures = {"exponent": slope, "sizes": {str(rows): dict(one) for rows, one in found.items()}}
    write(options.out, "Query cost as an index grows", "\n\n".join(body), figures, "growth")


def main() -> None:
    """Measures and writes the report."""
    cache = Path.home() / ".cache" / "tart-bench"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--threads", type=int, default=2, help="of builds; queries are asked on one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=cache / "index", help="where everything is kept between runs")
    parser.add_argument("--peers", type=Path, default=cache / "index-peers", help="as for ann.py")
    parser.add_argument("--out", type=Path, default=HERE, help="where the report goes")
    options = parser.parse_args()
    options.sizes.sort()
    report(options, measure(options, options.sizes[-1]))


if __name__ == "__main__":
    main()
