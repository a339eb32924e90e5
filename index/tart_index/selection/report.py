"""A selection's report beside its rows: a page and its Markdown."""

from __future__ import annotations

from pathlib import Path

from tart_index.selection.report_facts import ReportFacts
from tart_index.selection.report_html import report_html
from tart_index.selection.report_markdown import report_markdown

REPORT_HTML = "report.html"
REPORT_MARKDOWN = "report.md"


def write_report(folder: Path, facts: ReportFacts) -> None:
    """Writes `report.html` and `report.md` into a folder; the same facts give the same bytes."""
    (folder / REPORT_HTML).write_text(report_html(facts), encoding="utf-8", newline="\n")
    (folder / REPORT_MARKDOWN).write_text(report_markdown(facts), encoding="utf-8", newline="\n")
