"""What `tart data` tells of data sets: values for JSON, and lines for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tart.readers.lines import text_lines
from tart_train.card import Card
from tart_train.dataset import RetrievalSet
from tart_train.examples import DataError
from tart_train.faults import Faults
from tart_train.instruction_table import InstructionTable
from tart_train.leakage import EvaluationTexts, Leaks
from tart_train.set_check import check_set

_SHOWN = 160
_CARD = ("name", "intent", "domain", "unit", "query_unit", "licence", "licence_class", "facet_field")
_COUNTS = ("documents", "queries", "judgments")
_COLUMNS = ("name", *_COUNTS, "licence_class", "query_unit", "unit", "domain")


def counts_of(found: RetrievalSet) -> dict[str, Any]:
    """The card of a set and how many rows its files have."""

    def lines(file: Path) -> int:
        return sum(1 for line in text_lines(file, "utf-8") if not line.isspace())

    judged = sum(map(len, found.qrels().values()))
    counts = (lines(found.document_file), lines(found.query_file), judged)
    return _card(found.card) | dict(zip(_COUNTS, counts, strict=True)) | {"path": str(found.path)}


def table_lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Sets in columns as wide as their longest cells, and their sums."""
    cells = [[name.replace("_", " ") for name in _COLUMNS]]
    cells += [[f"{row[name]:,}" if name in _COUNTS else row[name] for name in _COLUMNS] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_COLUMNS))]
    for line in cells:
        padded = [
            cell.rjust(width) if name in _COUNTS else cell.ljust(width)
            for name, cell, width in zip(_COLUMNS, line, widths, strict=True)
        ]
        yield "  ".join(padded).rstrip()
    sums = ", ".join(f"{sum(row[name] for row in rows):,} {name}" for name in _COUNTS)
    yield f"{_number(len(rows), 'set')}, {sums}"


def portrait(found: RetrievalSet, rows: int) -> dict[str, Any]:
    """The card of a set, its instructions and its first rows."""
    return _card(found.card) | {"instructions": _wordings(found.card), "rows": _sample(found, rows)}


def portrait_lines(body: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    for name in _CARD:
        if body[name]:
            yield f"{name:>14}  {body[name]}"
    for part, wordings in body["instructions"].items():
        yield f"\n{part.replace('_', ' ')} ({len(wordings)})"
        phrased = isinstance(wordings, dict)
        for wording in wordings:
            yield f"  {wording}: {', '.join(wordings[wording])}" if phrased else f"  {wording}"
    for row in body["rows"]:
        yield f"\nquery {row['query_id']}  {_cut(row['query'])}"
        if row["instruction"]:
            yield f"  asks  {_cut(row['instruction'])}"
        for document in row["documents"]:
            title = f"[{document['title']}] " if document["title"] else ""
            yield f"  grade {document['grade']} {document['id']}  {_cut(title + document['text'])}"


def check_report(
    found: RetrievalSet,
    texts: Callable[[Path], EvaluationTexts | None],
    limit: int | None,
    passed: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """What is wrong with a set, what it leaks, and its statistics.

    Args:
        found: The set.
        texts: From a set's folder to the evaluation texts that it is compared with.
        limit: How many faults and how many leaks are told; `None`: all.
        passed: Called after every row.
    """
    faults, leaks = Faults(limit), Leaks(limit)
    evaluation = texts(found.path.resolve())
    statistics = check_set(found, faults, watcher=evaluation.watcher(leaks) if evaluation else None, passed=passed)
    by_set: dict[str, dict[str, int]] = {}
    for (dataset, kind), count in sorted(leaks.counts.items()):
        by_set.setdefault(dataset, {})[kind] = count
    return {
        "set": found.name,
        "path": str(found.path),
        "licence_class": found.card.licence_class,
        "statistics": statistics.as_json(),
        "faults": {
            "count": len(faults),
            "by_kind": dict(faults.counts.most_common()),
            "first": [fault.message for fault in faults.first],
        },
        "leaks": {"count": len(leaks), "by_set": by_set, "first": [leak.message for leak in leaks.first]},
    }


def check_lines(body: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    counts, faults, leaks = body["statistics"], body["faults"], body["leaks"]
    yield f"{body['set']}: {_number(faults['count'], 'fault')}, {_number(leaks['count'], 'leak')}"
    lengths = _lengths(counts["document_words"])
    yield f"  {_number(counts['documents'], 'document')} of {lengths} words; {counts['documents_judged']:,} are judged"
    lengths = _lengths(counts["query_words"])
    yield f"  {_number(counts['queries'], 'query', 'queries')} of {lengths} words; in {counts['groups']:,} groups"
    lengths = _lengths(counts["positives"])
    yield f"  {_number(counts['judgments'], 'judgment')}; relevant documents of a query: {lengths}"
    yield f"    {counts['judged_not_relevant']:,} explicitly not relevant"
    twice = f"{counts['duplicate_documents']:,} documents, {counts['duplicate_queries']:,} queries"
    yield f"  repeated texts: {twice}"
    yield (
        f"  instructions: {counts['train_wordings']} for training, {counts['held_out_wordings']} held out; "
        f"{counts['queries_with_instruction']:,} queries have their own, "
        f"{counts['queries_without_instruction']:,} have none"
    )
    for kind, count in faults["by_kind"].items():
        yield f"  fault: {kind}, {count:,} times"
    for dataset, kinds in leaks["by_set"].items():
        yield f"  leak: {dataset}, " + ", ".join(f"{count:,} as {kind}" for kind, count in kinds.items())
    for message in (*faults["first"], *leaks["first"]):
        yield f"  {message}"


def _card(card: Card) -> dict[str, Any]:
    return {name: getattr(card, name) for name in _CARD}


def _wordings(card: Card) -> dict[str, Any]:
    """The instructions of a set, if it has some."""
    try:
        found = InstructionTable.packaged().for_card(card)
    except DataError:
        return {}
    facets = {value: list(phrases) for value, phrases in found.facets.items()}
    parts: dict[str, Any] = {"train": list(found.train), "held_out": list(found.held_out), "facets": facets}
    return {part: wordings for part, wordings in parts.items() if wordings}


def _sample(found: RetrievalSet, rows: int) -> list[dict[str, Any]]:
    """The first queries, each with its best document, and with one that was judged not relevant."""
    if not rows:
        return []
    qrels = found.qrels()
    queries = list(islice(found.queries(), rows))
    wanted: dict[str, dict[str, int]] = {}
    for query in queries:
        ranked = sorted(qrels.get(query.id, {}).items(), key=lambda judged: -judged[1])
        wanted[query.id] = dict(ranked[:1] + [judged for judged in ranked[1:][-1:] if judged[1] <= 0])
    needed = {document_id for of_query in wanted.values() for document_id in of_query}
    documents = {document.id: document for document in found.documents() if document.id in needed}
    return [
        {
            "query_id": query.id,
            "query": query.text,
            "instruction": query.instruction,
            "metadata": query.metadata,
            "documents": [
                {"id": key, "grade": grade, "title": documents[key].title, "text": documents[key].text}
                for key, grade in wanted[query.id].items()
                if key in documents
            ],
        }
        for query in queries
    ]


def _number(count: int, noun: str, several: str = "") -> str:
    return f"{count:,} {noun if count == 1 else several or noun + 's'}" if count else f"no {several or noun + 's'}"


def _lengths(lengths: dict[str, float]) -> str:
    return f"{lengths['mean']:,} (median {lengths['median']:,}, at most {lengths['longest']:,})"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "..."
