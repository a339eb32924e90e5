"""The figures that matter most, in a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Heading -> path of the figure in a report.
SET_COLUMNS = {
    "bare": "bare/closed/ndcg@10",
    "right": "right/closed/ndcg@10",
    "wrong": "wrong/closed/ndcg@10",
    "pooled": "right/pooled/ndcg@10",
    "gap": "right/gap",
    "wrong-task": "right/pooled/wrong_task@10",
    "std": "paraphrases/closed/std",
    "robust": "paraphrases/closed/robustness@10",
}
CONTRAST_COLUMNS = {
    "p-MRR": "p_mrr",
    "pairs": "pair_accuracy",
    "directions": "direction_accuracy",
    "bare": "bare/ndcg@10",
    "right": "right/ndcg@10",
}


def figure(figures: Mapping[str, Any], path: str) -> Mapping[str, float] | None:
    """The figure at a path of a report's nested figures, or None where it has none."""
    found: Any = figures
    for part in path.split("/"):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found if isinstance(found, Mapping) and "value" in found else None


def summary(report: Mapping[str, Any], out: Path) -> str:
    """A table of the sets and one of the contrast sets."""
    lines = [f"{report['model']['name']} ({report['model']['fingerprint'][:19]}), nDCG@10 in points"]
    lines += _table("set", SET_COLUMNS, report["sets"], report["mean"])
    lines += _table("contrast set", CONTRAST_COLUMNS, report["contrast"], report["contrast_mean"])
    return "\n".join([*lines, f"written to {out}"])


def _table(title: str, columns: Mapping[str, str], rows: Mapping[str, Any], mean: Mapping[str, Any]) -> Iterator[str]:
    if not rows:
        return
    yield f"{title:<22}" + "".join(f"{heading:>11}" for heading in columns)
    for name, row in rows.items():
        yield _line(name, columns, row["figures"])
    yield _line("mean", columns, mean)


def _line(name: str, columns: Mapping[str, str], figures: Mapping[str, Any]) -> str:
    found = [figure(figures, path) for path in columns.values()]
    return f"{name:<22}" + "".join(f"{one['value']:>11.2f}" if one else f"{'-':>11}" for one in found)
