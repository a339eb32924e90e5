"""A comparison as Markdown and as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_HEADINGS = ("set", "A", "B", "B - A", "95 % interval", "p", "p (Holm)")
_SURE = 0.05
_NOTE = (
    "Figures in points. Intervals: paired percentile bootstrap over queries. p: paired randomisation test, "
    "two-sided; Holm's correction runs over the sets of a table. Bold: below 0.05 after it."
)


def comparison_markdown(comparison: Mapping[str, Any]) -> str:
    """One table a measure; a difference that is sure after correction is bold."""
    lines = [
        "# Comparison",
        "",
        f"A: {comparison['a']['name']} ({comparison['a']['fingerprint'][:19]})  ",
        f"B: {comparison['b']['name']} ({comparison['b']['fingerprint'][:19]})",
        "",
        _NOTE,
    ]
    for part in ("sets", "contrast"):
        for measure, rows in comparison[part].items():
            lines += ["", f"## {measure}", "", "| " + " | ".join(_HEADINGS) + " |", "|---|--:|--:|--:|--:|--:|--:|"]
            for row in rows:
                name, a, b, gained, between, p, corrected = _cells(row)
                shown = f"**{gained}**" if row["p_holm"] < _SURE else gained
                lines.append(f"| {name} | {a} | {b} | {shown} | {between} | {p} | {corrected} |")
    return "\n".join(lines) + "\n"


def comparison_table(comparison: Mapping[str, Any]) -> str:
    """The same for a terminal; a star marks a difference that is sure after correction."""
    return "\n".join(_lines(comparison))


def _lines(comparison: Mapping[str, Any]) -> Iterator[str]:
    for side in ("a", "b"):
        yield f"{side.upper()}: {comparison[side]['name']} ({comparison[side]['fingerprint'][:19]})"
    for part in ("sets", "contrast"):
        for measure, rows in comparison[part].items():
            yield f"\n{measure}"
            yield _line(_HEADINGS)
            for row in rows:
                yield _line(_cells(row)) + (" *" if row["p_holm"] < _SURE else "")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    between = f"[{row['low']:+.2f}, {row['high']:+.2f}]"
    figures = (f"{row['a']:.2f}", f"{row['b']:.2f}", f"{row['difference']:+.2f}", between)
    return (row["name"], *figures, f"{row['p']:.4f}", f"{row['p_holm']:.4f}")


def _line(cells: tuple[str, ...]) -> str:
    name, a, b, gained, between, p, corrected = cells
    return f"  {name:<24}{a:>8}{b:>8}{gained:>8}{between:>20}{p:>9}{corrected:>10}"
