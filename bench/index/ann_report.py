"""The report of `ann.py`: what was measured, what was wanted, and where it does not hold."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import Spread, table, write

NAMES = {
    "as tuned": "ours, as tuned on its own documents",
    "ours": "ours, fitted to these queries",
    "hnswlib": "hnswlib",
    "usearch": "usearch",
    "faiss": "FAISS HNSW32,Flat",
}
_PEERS = ("hnswlib", "usearch", "faiss")
_THIRD = 1 / 3
_ABOUT = """\
{rows:,} synthetic unit vectors of 384 numbers (`vectors.py`; `hardness.py` compares them with real ones), {queries:,}
queries drawn apart from them and from those that a structure is tuned on. The smallest effort that finds {recall:.0%}
of the ten nearest; peers are fitted to the test queries themselves. Graphs: 32 links (M; 64 on the lowest level),
efConstruction {ef_construction}. {rounds} rounds in turn, every measurement in a process of its own, queries on one
thread. Peers: {peers}."""
_MEMORY = """\
Memory is what the process grew by from before opening to after the last query: its own, and pages of mapped files,
which the system may take back and which ours reads the stored vectors of its hits from. The peers hold the vectors."""
_FILTERS = """\
## Filters

`chance` lets documents from anywhere pass, `corner` those nearest to one direction, which most queries are far from.
Ours as tuned, one query a call on one thread; recall against exact search under the same filter. Wanted: {recall} at
each, never fewer hits than there are, none that does not match."""
_OPEN = """\
## Opening

A `Searcher` on an index of {documents:,} documents, the model loaded before; the vectors alone are {mib:,.0f} MiB. The
approximate one reads its structure's file once to compare its checksum. The first query includes the model."""


def report(options: argparse.Namespace, found: Mapping[str, Any], peers: str) -> None:
    """Writes report.md and report.json."""
    about = _ABOUT.format(peers=peers, **{name: getattr(options, name) for name in _OPTIONS})
    body = [
        about,
        "## Queries",
        queries_table(found),
        _MEMORY,
        verdict(found),
        "## Builds",
        builds_table(options, found),
        _FILTERS.format(recall=options.recall),
        filters_table(found["filters"]["filters"]),
        filters_verdict(found["filters"]["filters"], options.recall),
        _OPEN.format(documents=found["open"]["exact"][0]["documents"], mib=options.rows * 384 * 4 / 2**20),
        open_table(found["open"]),
    ]
    write(options.out, "Approximate search against its peers", "\n\n".join(body), {**found, "peers": peers}, "ann")


_OPTIONS = ("rows", "queries", "recall", "ef_construction", "rounds")


def _spread(runs: Sequence[Mapping[str, Any]], name: str) -> Spread:
    return Spread.of([float(one[name]) for one in runs])


def _own(runs: Sequence[Mapping[str, Any]]) -> float:
    return Spread.of([one["memory"]["own"] for one in runs]).median


def _memory(runs: Sequence[Mapping[str, Any]]) -> float:
    return Spread.of([one["memory"]["own"] + one["memory"]["mapped"] for one in runs]).median


def _shown(name: str) -> str:
    return NAMES.get(name, f"ours, had it chosen {name}")


def queries_table(found: Mapping[str, Any]) -> str:
    """Speed, recall and memory of each."""
    lines = []
    for name, runs in found["ask"].items():
        built = found["build"]["ours" if name == "as tuned" else name]
        own = Spread.of([one["memory"]["own"] for one in runs])
        mapped = Spread.of([one["memory"]["mapped"] for one in runs])
        lines.append(
            [
                _shown(name),
                f"{_spread(runs, 'recall').median:.4f}",
                f"{_spread(runs, 'single'):,.0f}",
                f"{_spread(runs, 'batch'):,.0f}",
                f"{own.median:,.0f}",
                f"{mapped.median:,.0f}",
                f"{built['bytes'] / 2**20:,.0f}",
            ]
        )
    header = [
        "",
        "recall@10",
        "queries/s, one a call",
        "queries/s, all in one call",
        "own MiB",
        "mapped MiB",
        "file MiB",
    ]
    efforts = "; ".join(f"{_shown(name)} {one['effort']}" for name, one in found["tune"].items())
    return table(header, lines) + f"\n\nOurs is `{found['build']['ours']['factory']}`. Efforts: {efforts}."


def verdict(found: Mapping[str, Any]) -> str:
    """At least as fast as the best at equal recall, or at least as fast with a third of its memory; else where not."""
    wanted = "Wanted: as fast as the fastest peer at equal recall, or as fast with at most a third of its memory."
    lines = [f"- {line}" for way in ("single", "batch") for line in _compared(found["ask"], way)]
    return "\n".join([wanted, "", *lines])


def _compared(asked: Mapping[str, Sequence[Mapping[str, Any]]], way: str) -> list[str]:
    speeds = {name: _spread(runs, way).median for name, runs in asked.items()}
    best = max(_PEERS, key=lambda peer: speeds[peer])
    how = "one query a call" if way == "single" else "all in one call"
    said = []
    for name in (name for name in asked if name not in _PEERS):
        times = speeds[name] / speeds[best]
        own = _own(asked[name]) / _own(asked[best])
        whole = _memory(asked[name]) / _memory(asked[best])
        held = "so it is" if times >= 1 else "NOT so"
        third = "at most a third" if own <= _THIRD else "MORE than a third"
        said.append(
            f"{_shown(name)}, {how}: {times:.2f} times the speed of {NAMES[best]}, {held}; {own:.2f} of its own "
            f"memory, {third} ({whole:.2f} with mapped pages)"
        )
    return said


def builds_table(options: argparse.Namespace, found: Mapping[str, Any]) -> str:
    """Time and peak memory of the builds."""
    lines = []
    for ours in (one for name, one in found["build"].items() if name not in _PEERS):
        lines.append(_build_line(f"ours: {ours['factory']}, all stages", ours))
        lines += [_build_line(f"- {stage['stage']}", stage) for stage in ours["stages"]]
    lines += [_build_line(NAMES[peer], found["build"][peer]) for peer in _PEERS]
    automatic = found["autofaiss"]
    if "factory" not in automatic and "ended_after" not in automatic:
        lines.append([f"autofaiss within {automatic['memory']}", "not run", "", ""])
    elif "ended_after" in automatic:
        text = f"autofaiss within {automatic['memory']}"
        lines.append([text, f"ended after {automatic['ended_after']:,.0f}, not done", "", ""])
    else:
        lines.append(_build_line(f"autofaiss within {automatic['memory']}: {automatic['factory']}", automatic))
    text = (
        f"{options.threads} threads. Peak memory is the process's own above what it had before; the vectors are read "
        "from a mapped file. Without a bound of memory autofaiss takes HNSW32, as FAISS's row."
    )
    return text + "\n\n" + table(["", "seconds", "peak MiB", "file MiB"], lines)


def _build_line(name: str, built: Mapping[str, Any]) -> list[str]:
    size = f"{built['bytes'] / 2**20:,.0f}" if "bytes" in built else ""
    peak = f"{built['peak_mib']:,.0f}" if "peak_mib" in built else ""
    return [name, f"{built['seconds']:,.1f}", peak, size]


def filters_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Recall and speed under each filter."""
    lines = [
        [
            f"{row['filter']}, {row['passing']:.1%}",
            f"{row['recall']:.4f}",
            f"{row['per_second']:,.0f}",
            f"{row['fewest']} of {row['possible']}",
            str(row["strangers"]),
        ]
        for row in rows
    ]
    return table(["", "recall@10", "queries/s", "fewest hits", "hits that do not match"], lines)


def filters_verdict(rows: Sequence[Mapping[str, Any]], recall: float) -> str:
    """Where less was found than wanted."""
    bad = [
        f"{row['filter']} {row['passing']:.1%}"
        for row in rows
        if row["recall"] < recall or row["fewest"] < row["possible"] or row["strangers"]
    ]
    return f"NOT so at {', '.join(bad)}." if bad else "So it is at each."


def open_table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Seconds and memory of opening."""
    lines = []
    for name, runs in found.items():
        line = [name, f"{_spread(runs, 'open'):.2f}"]
        for when in ("memory", "memory_then"):
            line += [f"{Spread.of([one[when][kind] for one in runs]).median:,.0f}" for kind in ("own", "mapped")]
        lines.append([*line, f"{_spread(runs, 'first'):.3f}"])
    header = ["", "open, s", "own MiB", "mapped MiB", "own MiB after a query", "mapped MiB after it", "first query, s"]
    return table(header, lines)
