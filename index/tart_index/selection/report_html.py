"""A selection's report as one page that needs nothing else, in the light and in the dark."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tart_index.selection.report_facts import ReportFacts, Sample
from tart_index.selection.report_markdown import about_sample, summary
from tart_index.selection.report_plots import Plot, plots
from tart_index.selection.report_tables import Table, tables

# Of a text that is shown; the rest is in selected.jsonl.
_SHOWN = 1_200
_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1f2328; --quiet: #59636e; --rule: #d1d9e0; --card: #f6f8fa;
  --chosen: #0969da; --target: #d1570a; --pool: #b6bfc9; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --ink: #e6edf3; --quiet: #9198a1; --rule: #30363d;
  --card: #161b22; --chosen: #58a6ff; --target: #ffa657; --pool: #4b535d; } }
body { font: 15px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 2rem 1.25rem 4rem;
  color: var(--ink); background: var(--page); }
h1 { font-size: 1.65rem; margin: 0 0 .5rem; } h2 { font-size: 1.2rem; margin: 3rem 0 .25rem; }
p.note, figcaption { color: var(--quiet); max-width: 52rem; margin: .25rem 0 1rem; }
ul.notes { padding-left: 1.2rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th { color: var(--quiet); font-weight: 600; }
th:first-child, td:first-child, table.words th, table.words td { text-align: left; }
table.words td { white-space: normal; overflow-wrap: anywhere; }
figure { margin: 0; } svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .name { text-anchor: end; } svg .said, svg .tick { fill: var(--quiet); }
svg .tick { font-size: 11px; font-variant-numeric: tabular-nums; }
svg .end { text-anchor: end; } svg .mid { text-anchor: middle; }
svg .grid { stroke: var(--rule); } svg .line { fill: none; stroke: var(--chosen); stroke-width: 2; }
svg .stroke { stroke: var(--ink); stroke-width: 2; }
rect.chosen, circle.chosen { fill: var(--chosen); } circle.pool { fill: var(--pool); }
circle.target { fill: none; stroke: var(--target); stroke-width: 1.6; } circle.chosen { fill-opacity: .75; }
.keys { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; list-style: none; margin: 0 0 .5rem; padding: 0;
  color: var(--quiet); font-size: 13px; }
.keys i { display: inline-block; width: .8em; height: .8em; margin-right: .45em; vertical-align: -.05em;
  border-radius: 50%; background: var(--chosen); }
.keys i.pool { background: var(--pool); }
.keys i.target { background: none; border: 2px solid var(--target); box-sizing: border-box; }
.keys i.stroke { width: 2px; border-radius: 0; background: var(--ink); }
article { border: 1px solid var(--rule); border-radius: 8px; margin: 0 0 1rem; overflow: hidden; }
article header { background: var(--card); padding: .5rem .9rem; color: var(--quiet); font-size: 13px; }
article div { padding: .6rem .9rem; border-top: 1px solid var(--rule); }
article h3 { margin: 0 0 .2rem; font-size: 12px; color: var(--quiet); font-weight: 600; }
article p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 16rem; overflow-y: auto; }
"""


def report_html(facts: ReportFacts) -> str:
    """The page; every text of the pool and of the targets is escaped."""
    title = f"Selection: {facts.selection.method}"
    body = [f"<h1>{escape(title)}</h1>", *(f'<p class="note">{escape(line)}</p>' for line in summary(facts))]
    body += _notes(facts)
    body += map(_plot, plots(facts))
    body += map(_table, tables(facts))
    body += _samples(facts)
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head = f"<head>{meta}<title>{escape(title)}</title><style>{_STYLE}</style></head>"
    content = "\n".join(body)
    return f'<!doctype html>\n<html lang="en">{head}\n<body>\n{content}\n</body></html>\n'


def _notes(facts: ReportFacts) -> Iterator[str]:
    if facts.selection.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in facts.selection.notes)
        yield f'<ul class="notes">{items}</ul>'


def _plot(plot: Plot) -> str:
    keys = "".join(f'<li><i class="{kind}"></i>{escape(name)}</li>' for kind, name in plot.keys)
    listed = f'<ul class="keys">{keys}</ul>\n' if keys else ""
    return (
        f"<h2>{escape(plot.title)}</h2>\n<figure><figcaption>{escape(plot.caption)}</figcaption>\n"
        f"{listed}{plot.svg}</figure>"
    )


def _table(table: Table) -> str:
    kind = ' class="words"' if table.title == "Provenance" else ""
    headings = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return (
        f'<h2>{escape(table.title)}</h2>\n<p class="note">{escape(table.note)}</p>\n'
        f'<div class="wide"><table{kind}><thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def _samples(facts: ReportFacts) -> Iterator[str]:
    if facts.samples:
        yield "<h2>Rows to read</h2>"
        yield '<p class="note">Evenly over all ranks, from the first to the last.</p>'
        yield from map(_sample, facts.samples)


def _sample(sample: Sample) -> str:
    parts = (("Row", sample.input), ("Its answer", sample.answer), ("The target that chose it", sample.target))
    told = "".join(
        f"<div><h3>{heading}</h3><p>{escape(_cut(text))}</p></div>" for heading, text in parts if text is not None
    )
    return f"<article><header>{escape(about_sample(sample))}</header>{told}</article>"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"
