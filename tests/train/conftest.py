"""What the tests of training and evaluation share: small data sets on disk."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Rows: TypeAlias = Sequence[Mapping[str, Any] | str]
DatasetFolder: TypeAlias = Callable[..., Path]

DOCUMENTS: Rows = [
    {"_id": "d1", "title": "Sorting", "text": "How to sort a list of numbers with a built-in function"},
    {"_id": "d2", "title": "", "text": "def sort(numbers): return sorted(numbers)", "metadata": {"kind": "code"}},
    {"_id": "d3", "title": "Merging", "text": "Two dictionaries are merged with the | operator since Python 3.9"},
]
QUERIES: Rows = [
    {"_id": "q1", "text": "sort numbers"},
    {"_id": "q2", "text": "merge dicts", "metadata": {"kind": "text"}},
]
QRELS: Rows = ["q1\td1\t1", "q1\td2\t0", "q2\td3\t2"]


@pytest.fixture
def dataset_folder(tmp_path: Path) -> DatasetFolder:
    """A builder of small data sets: `dataset_folder(name, documents=..., queries=..., qrels=..., card=..., gz=...)`.

    Rows are dicts, or strings that are written as they are; a part of `None` is not written. Without rows given there
    are three documents, two queries and three judgments. Keys of `card` are added to the card; `None` writes none.
    """

    def build(
        name: str = "toy",
        *,
        documents: Rows | None = DOCUMENTS,
        queries: Rows | None = QUERIES,
        qrels: Rows | None = QRELS,
        card: Mapping[str, Any] | None = {},
        header: bool = True,
        gz: bool = False,
        qrels_name: str = "qrels.tsv",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        if documents is not None:
            _write(folder / "corpus.jsonl", documents, gz=gz)
        if queries is not None:
            _write(folder / "queries.jsonl", queries, gz=gz)
        if qrels is not None:
            lines = (["query-id\tcorpus-id\tscore"] if header else []) + list(qrels)
            (folder / qrels_name).parent.mkdir(exist_ok=True)
            _write(folder / qrels_name, lines, gz=gz)
        if card is not None:
            (folder / "card.json").write_text(json.dumps({"name": folder.name, "licence_class": "open", **card}))
        return folder

    return build


def _write(file: Path, rows: Rows, *, gz: bool) -> None:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    if gz:
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text, encoding="utf-8")
