"""The demo: search the Python on this machine.

Every documented function, class and method of the running interpreter's standard library is two documents, its code
without the docstring and its documentation. So each query has two kinds of answer, and only an instruction tells which
one is wanted.
"""

from __future__ import annotations

import math
import platform
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tart.documents import Document
from tart.encoder import Encoder
from tart.readers.python_source import STANDARD_LIBRARY_SKIP, python_documents, standard_library_root
from tart_index.corpus import Corpus
from tart_index.exact import ExactSearch
from tart_index.folder import IndexFolder

CODE = "Find the Python function that implements this"
DOCUMENTATION = "Find the documentation of this"
PROMPTS = {"code": CODE, "documentation": DOCUMENTATION}

# Chosen to show a difference; the self-check, over a random sample of docstrings, is the figure to believe.
QUERIES = (
    "calculate the median of numbers",
    "decode a base64 string",
    "compress data with gzip",
    "compare two texts line by line",
    "open a web page in the browser",
    "remove a folder and everything in it",
)

_CUTOFF = 10


class Question(NamedTuple):
    """A docstring's summary, and the rows whose code it summarises."""

    text: str
    rows: frozenset[int]


class CheckScore(NamedTuple):
    """nDCG@10 of docstring summary -> code under one instruction.

    Attributes:
        instruction: "" for none.
        closed: Against code documents only.
        pooled: Against all documents, where the documentation holds the very words of the query.
    """

    instruction: str
    closed: float
    pooled: float


def standard_library() -> Corpus:
    """The public, documented part of the running interpreter's standard library."""
    name = f"standard library of Python {platform.python_version()}"
    return Corpus.from_documents(name, lambda: _documents(standard_library_root()))


def _documents(root: Path) -> Iterator[Document]:
    return python_documents(root, skip=STANDARD_LIBRARY_SKIP, public_only=True, on_error="skip")


def questions(documents: Iterable[Document], limit: int, seed: int = 0) -> list[Question]:
    """Docstring summaries as queries, a random sample of at most `limit`; equal summaries are one query.

    A summary of one or two words ("Return self.") says nothing and is left out.
    """
    code_rows: dict[tuple[object, object], list[int]] = defaultdict(list)
    summaries: dict[str, list[tuple[object, object]]] = defaultdict(list)
    for row, document in enumerate(documents):
        key = (document.metadata["module"], document.metadata["name"])
        if document.metadata["kind"] == "code":
            code_rows[key].append(row)
        elif document.metadata["kind"] == "documentation":
            summaries[_summary(document)].append(key)
    texts = sorted(text for text in summaries if len(text.split()) > 2)
    chosen = np.random.default_rng(seed).permutation(len(texts))[:limit]
    return [
        Question(texts[i], frozenset(row for key in summaries[texts[i]] for row in code_rows[key]))
        for i in sorted(chosen)
    ]


def _summary(document: Document) -> str:
    """The first paragraph of the docstring, which follows the line of the signature."""
    docstring = document.text.partition("\n")[2].strip()
    return " ".join(docstring.partition("\n\n")[0].split())


def self_check(folder: IndexFolder, encoder: Encoder, asked: Sequence[Question]) -> list[CheckScore]:
    """nDCG@10 of docstring summary -> code, without and with the instruction, closed to code and pooled."""
    rows = np.arange(len(folder))
    code = np.array([document.metadata["kind"] == "code" for document in folder.documents()])
    vectors = np.concatenate(folder.vectors, dtype=np.float32)
    corpora = {"closed": rows[code], "pooled": rows}
    searches = {name: ExactSearch([vectors[kept]], encoder.hardware.threads) for name, kept in corpora.items()}
    scores = []
    for instruction in ("", CODE):
        queries = encoder.encode_queries([q.text for q in asked], [instruction] * len(asked), truncate=True)
        found = {name: corpora[name][search.search(queries, _CUTOFF).rows] for name, search in searches.items()}
        scores.append(CheckScore(instruction, **{name: _mean_ndcg(ranked, asked) for name, ranked in found.items()}))
    return scores


def _mean_ndcg(found: np.ndarray, asked: Sequence[Question]) -> float:
    return float(np.mean([ndcg(row.tolist(), question.rows) for row, question in zip(found, asked, strict=True)]))


def ndcg(ranked: Sequence[int], relevant: frozenset[int]) -> float:
    """Normalised discounted cumulative gain with gains 0 and 1 (Järvelin and Kekäläinen 2002), at the list's length."""
    gain = sum(1 / math.log2(rank + 2) for rank, row in enumerate(ranked) if row in relevant)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(len(relevant), len(ranked))))
    return gain / ideal if ideal else 0.0
