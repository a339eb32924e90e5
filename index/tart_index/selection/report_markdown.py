"""A selection's report as Markdown: the page without its plots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from tart_index.selection.report_facts import ReportFacts, Sample
from tart_index.selection.report_tables import Table, tables

_SHOWN = 400
# What could end a table cell, or begin a link, a heading, emphasis or code.
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
_SPACE = re.compile(r"\s+")


def report_markdown(facts: ReportFacts) -> str:
    """The whole report."""
    lines = [f"# Selection: {facts.selection.method}", ""]
    for line in (*summary(facts), *facts.selection.notes):
        lines += [_text(line), ""]
    for table in tables(facts):
        lines += _table(table)
    lines += _samples(facts)
    return "\n".join(lines)


def summary(facts: ReportFacts) -> Iterator[str]:
    """What was chosen, in two or three sentences."""
    selection = facts.selection
    dropped = sum(selection.dropped.values())
    yield (
        f"{len(selection.chosen):,} of {selection.candidates:,} candidates chosen by {selection.method}; "
        f"{dropped:,} that came up on the way were left out."
    )
    chosen_by = {one.target for one in selection.chosen if one.target is not None}
    if chosen_by:
        yield f"They were chosen by {len(chosen_by):,} targets; each row names the one that it is nearest to."
    if facts.controls:
        names = ", ".join(control.method for control in facts.controls)
        yield f"Controls of the same size: {names}. Train on them too: a selection is worth what it adds to them."


def about_sample(sample: Sample) -> str:
    """A row's place and score, in one line."""
    one = sample.chosen
    said = [f"rank {one.rank:,}", one.id]
    if one.task is not None:
        said.append(one.task)
    if one.score is not None:
        said.append(f"score {one.score:.4f}")
    if one.count > 1:
        said.append(f"{one.count:,} targets")
    if one.target is not None:
        said.append(f"chosen by {one.target}")
    return " · ".join(said)


def _table(table: Table) -> Iterator[str]:
    yield f"## {table.title}"
    yield ""
    yield _text(table.note)
    yield ""
    yield _row(table.headings)
    yield "|---|" + "--:|" * (len(table.headings) - 1)
    yield from map(_row, table.rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_text, cells)) + " |"


def _samples(facts: ReportFacts) -> Iterator[str]:
    if facts.samples:
        yield "## Rows to read"
        yield ""
    for sample in facts.samples:
        yield f"- {_text(about_sample(sample))}"
        parts = (("row", sample.input), ("its answer", sample.answer), ("target", sample.target))
        yield from (f"  - {name}: {_text(_cut(text))}" for name, text in parts if text is not None)
    yield ""


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(text: str) -> str:
    """A text that Markdown shows as it is, on one line: nothing in it becomes a tag, a link or a cell."""
    return _SPECIAL.sub(r"\\\1", escape(_SPACE.sub(" ", text).strip(), quote=False))
