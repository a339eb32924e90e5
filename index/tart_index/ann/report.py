"""A page about an index: what it holds, and the measured curve of its search structure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from tart_index.ann.stored import Measured, StoredStructure
from tart_index.columns import count_types
from tart_index.folder import IndexFolder

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --paper: #fff; --mark: #0969da; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --paper: #0d1117; --mark: #4493f8; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: var(--ink);
  background: var(--paper); }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
p { max-width: 46rem; } .soft, figcaption { color: var(--soft); }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; }
figure { margin: 1.5rem 0; } svg { max-width: 100%; height: auto; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--line); } svg .wanted { stroke: var(--soft); stroke-dasharray: 4 4; }
svg .curve { fill: none; stroke: var(--mark); stroke-width: 1.5; opacity: .55; }
svg .point { fill: var(--mark); opacity: .7; }
svg .chosen { fill: none; stroke: var(--ink); stroke-width: 2; }
"""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 320, 56, 44, 12


def index_report(folder: IndexFolder) -> str:
    """The page: self-contained HTML."""
    manifest = folder.manifest
    title = f"Index {folder.path.resolve().name}"
    body = [f"<h1>{escape(title)}</h1>", _rows(_facts(folder))]
    structure = manifest.structure
    if structure is None:
        body.append(
            "<h2>Search</h2><p>Every vector is scored: search is exact. "
            "<code>tart index tune</code> makes a structure that is faster and keeps a promise of recall.</p>"
        )
    else:
        body += _structure(structure, manifest.rows)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    content = "\n".join(body)
    page = f"<head>{head}<style>{_STYLE}</style></head>\n<body>\n{content}\n</body>"
    return f'<!doctype html>\n<html lang="en">{page}</html>\n'


def _facts(folder: IndexFolder) -> dict[str, str]:
    manifest = folder.manifest
    keys = count_types(folder.columns, folder.alive)
    size = sum(file.bytes for part in manifest.parts for file in part.files.values())
    return {
        "documents": f"{manifest.count:,}, of them {manifest.truncated:,} longer than the model takes",
        "parts": f"{len(manifest.parts):,}, {size / 2**20:,.1f} MiB",
        "vectors": f"{manifest.dim} numbers, float32, inner product",
        "model": f"{manifest.model.name} ({manifest.model.dtype}, {manifest.model.max_length} tokens)",
        "default instruction": manifest.default_instruction or "none",
        "named instructions": "; ".join(f"{name}: {text}" for name, text in manifest.prompts.items()) or "none",
        "metadata": "; ".join(f"{key}: {', '.join(types)}" for key, types in keys.items()) or "none",
        "version": f"{manifest.version}, {manifest.created_at}",
        "fingerprint": manifest.fingerprint,
    }


def _structure(structure: StoredStructure, rows: int) -> Iterable[str]:
    wanted = f"{structure.wanted_recall:g}"
    yield "<h2>Search structure</h2>"
    yield _rows(
        {
            "structure": structure.factory,
            "holds": f"{structure.rows:,} of {rows:,} vectors; the others are searched exactly",
            "memory": f"{structure.file.bytes / 2**20:,.1f} MiB, {structure.bytes_per_vector:,.0f} bytes a vector",
            "recall wanted": wanted,
            "measured on": f"{structure.queries}, against exact search, one thread",
        }
    )
    yield (
        '<p class="soft">For each number of neighbours the fastest effort that reaches the wanted recall was chosen, '
        "on half of the sample; the recall below is that of the other half. A filter is searched with the effort of a "
        "larger number: as many as would have to be found without it.</p>"
    )
    yield _table(
        ["neighbours", "effort", "recall", "ms a query", "exact, ms", "times faster"],
        [_chosen_row(point, structure.exact) for point in structure.chosen],
    )
    for chosen in structure.chosen:
        points = [point for point in structure.curve if point.k == chosen.k]
        caption = f"Recall at {chosen.k} against time of a query. The ring is the effort that is used."
        plot = _plot(points, chosen, structure.wanted_recall)
        yield f"<figure>{plot}<figcaption>{escape(caption)}</figcaption></figure>"
    yield "<h2>Every point that was measured</h2>"
    yield _table(
        ["neighbours", "effort", "recall", "ms a query"],
        [[f"{p.k:,}", _effort(p.effort), f"{p.recall:.4f}", f"{p.ms:.3f}"] for p in structure.curve],
    )


def _chosen_row(point: Measured, exact: Mapping[str, float]) -> list[str]:
    slow = exact.get(str(point.k))
    times = [f"{slow:.3f}", f"{slow / point.ms:.1f}"] if slow and point.ms else ["", ""]
    return [f"{point.k:,}", _effort(point.effort), f"{point.recall:.4f}", f"{point.ms:.3f}", *times]


def _plot(points: Sequence[Measured], chosen: Measured, wanted: float) -> str:
    """Recall over milliseconds, the latter on a logarithmic axis, one line for each refinement."""
    times = [max(point.ms, 1e-4) for point in points]
    low, high = math.floor(math.log10(min(times)) * 4) / 4, math.ceil(math.log10(max(times)) * 4 + 0.01) / 4
    floor = math.floor(min(point.recall for point in points) * 10) / 10

    def place(point: Measured) -> tuple[float, float]:
        x = _LEFT + (math.log10(max(point.ms, 1e-4)) - low) / (high - low) * (_WIDTH - _LEFT - 12)
        return x, _level(point.recall, floor)

    shapes = [
        *_axes(low, high, floor),
        _line(_LEFT, _level(wanted, floor), _WIDTH - 12, _level(wanted, floor), "wanted"),
    ]
    for refinement in sorted({point.effort.get("k_factor", 0) for point in points}):
        line = sorted(place(point) for point in points if point.effort.get("k_factor", 0) == refinement)
        shapes.append(f'<polyline class="curve" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in line)}"/>')
    for point in points:
        x, y = place(point)
        about = escape(f"{_effort(point.effort)}: recall {point.recall:.4f}, {point.ms:.3f} ms")
        shapes.append(f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{about}</title></circle>')
    ring = next(point for point in points if point.effort == chosen.effort)
    shapes.append('<circle class="chosen" cx="{:.1f}" cy="{:.1f}" r="7"/>'.format(*place(ring)))
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="recall against time"'
    return f"<svg {box}>{''.join(shapes)}</svg>"


def _axes(low: float, high: float, floor: float) -> Iterable[str]:
    steps = 5
    for step in range(steps + 1):
        recall = floor + (1 - floor) * step / steps
        y = _level(recall, floor)
        yield _line(_LEFT, y, _WIDTH - 12, y, "grid")
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{recall:.2f}</text>'
    ticks = [exponent / 4 for exponent in range(round(low * 4), round(high * 4) + 1)]
    for exponent in ticks[:: max(1, len(ticks) // 6)]:
        x = _LEFT + (exponent - low) / (high - low) * (_WIDTH - _LEFT - 12)
        yield f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{10**exponent:.2g}</text>'
    yield f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">milliseconds a query, one thread</text>'


def _level(recall: float, floor: float) -> float:
    return _TOP + (1 - (recall - floor) / max(1 - floor, 1e-9)) * (_HEIGHT - _TOP - _BOTTOM)


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _effort(effort: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in effort.items()) or "none"


def _rows(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f'<div class="wide"><table>{rows}</table></div>'


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
