"""Small data sets on disk, and an encoder that hashes words: what the tests of mining share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.instructions import Instruction
from tart.normal import words

CARD = {"intent": "find it", "domain": "things", "unit": "text", "query_unit": "question", "licence_class": "open"}


class WordEncoder:
    """Bags of hashed words as unit vectors: texts are near that share words."""

    fingerprint = "sha256:0123456789abcdef0123"
    dim = 48
    name = "words"

    def __init__(self) -> None:
        self.embedded = 0

    def encode_documents(self, documents: Sequence[Document]) -> NDArray[np.float32]:
        return self._encode([f"{one.title} {one.text}" for one in documents])

    def encode_queries(
        self,
        queries: Sequence[str],
        instructions: Sequence[Instruction | str | None] | None = None,
        *,
        truncate: bool = False,
    ) -> NDArray[np.float32]:
        return self._encode(queries)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        rows = np.array([sum((_vector(word) for word in words(text)), np.full(self.dim, 1e-3)) for text in texts])
        unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


def _vector(word: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(seed).normal(size=WordEncoder.dim)


def write_set(
    root: Path,
    name: str,
    documents: Mapping[str, Any],
    queries: Mapping[str, Any],
    qrels: Sequence[tuple[str, str, int]],
    **card: Any,
) -> Path:
    """A data set folder; documents and queries are texts, or rows without their id."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({"name": name, **CARD, **card}))
    for file, rows in (("corpus.jsonl", documents), ("queries.jsonl", queries)):
        lines = []
        for row_id, row in rows.items():
            values = row if isinstance(row, dict) else {"text": row}
            lines.append(json.dumps({"_id": row_id, "title": "", "metadata": {}, **values}))
        (folder / file).write_text("".join(line + "\n" for line in lines))
    judged = ["query-id\tcorpus-id\tscore", *(f"{query}\t{document}\t{grade}" for query, document, grade in qrels)]
    (folder / "qrels.tsv").write_text("".join(line + "\n" for line in judged))
    return folder
