"""A report as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tart_train.evaluation.plots import plots
from tart_train.evaluation.report_markdown import about
from tart_train.evaluation.report_tables import Table, tables

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1f2328; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
p.note { color: #57606a; max-width: 60rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #d0d7de; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, table.words td { text-align: left; }
table.words td { white-space: normal; }
th { position: sticky; top: 0; background: #f6f8fa; }
figure { margin: 1.5rem 0; } figcaption { color: #57606a; } figure svg { max-width: 100%; height: auto; }
"""


def report_html(report: Mapping[str, Any]) -> str:
    """The page."""
    title = f"Evaluation of {report['model']['name']}"
    body = [f"<h1>{escape(title)}</h1>", *(f'<p class="note">{escape(line)}</p>' for line in about(report))]
    body += [f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" for caption, svg in plots(report)]
    body += map(_table, tables(report))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    content = "\n".join(body)
    head = f"<head>{head}<style>{_STYLE}</style></head>"
    return f'<!doctype html>\n<html lang="en">{head}\n<body>\n{content}\n</body></html>\n'


def _table(table: Table) -> str:
    kind = ' class="words"' if table.title == "Instructions" else ""
    headings = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return (
        f'<h2>{escape(table.title)}</h2>\n<p class="note">{escape(table.note)}</p>\n'
        f'<div class="wide"><table{kind}><thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )
