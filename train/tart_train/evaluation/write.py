"""Writes everything that an evaluation found into its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tart_index.files import replace_synced
from tart_train.evaluation.report import PER_QUERY, REPORT, per_query, report, write_json
from tart_train.evaluation.report_html import report_html
from tart_train.evaluation.report_markdown import report_markdown
from tart_train.evaluation.run import Evaluation
from tart_train.evaluation.trec_run import write_runs


def write_evaluation(evaluation: Evaluation, out: Path) -> dict[str, Any]:
    """Writes the run files and the reports; `report.json` comes last, so that where it is, all is.

    Returns:
        What `report.json` holds.
    """
    for own, result in enumerate(evaluation.sets):
        write_runs(out / "runs", evaluation.corpora, own, result, evaluation.settings.run_files)
    content = report(evaluation)
    replace_synced(out / "report.md", report_markdown(content).encode())
    replace_synced(out / "report.html", report_html(content).encode())
    write_json(out / PER_QUERY, per_query(evaluation), indent=None)
    write_json(out / REPORT, content)
    return content
