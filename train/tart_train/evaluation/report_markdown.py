"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tart_train.evaluation.report_tables import Table, tables


def report_markdown(report: Mapping[str, Any]) -> str:
    """The whole report, for reading and for committing."""
    lines = ["# Evaluation", "", *about(report), ""]
    for table in tables(report):
        lines += _table(table)
    return "\n".join(lines)


def about(report: Mapping[str, Any]) -> Iterator[str]:
    """What was evaluated, and how, in three sentences."""
    model, settings = report["model"], report["settings"]
    yield (
        f"Model {model['name']} ({model['fingerprint'][:19]}), input format {model['input_format']}, {model['dtype']}, "
        f"{model['dim']} dimensions, {model['max_length']} tokens."
    )
    if report["reranker"]:
        name, fingerprint = report["reranker"]["name"], report["reranker"]["fingerprint"]
        yield f"Reranker {name} ({fingerprint[:19]}), top {settings['rerank_depth']}."
    limit = settings["limit_queries"]
    yield (
        f"{len(report['sets'])} sets, {len(report['contrast'])} contrast sets, "
        f"{f'at most {limit} queries each' if limit else 'all queries'}; {settings['paraphrases']} wordings at most; "
        f"{settings['resamples']:,} bootstrap resamples of queries, seed {settings['seed']}."
    )
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in report["versions"].items()) + "."


def _table(table: Table) -> Iterator[str]:
    yield f"## {table.title}"
    yield ""
    yield table.note
    yield ""
    yield _row(table.headings)
    yield "|---|" + "--:|" * (len(table.headings) - 1)
    yield from map(_row, table.rows)
    yield ""


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
