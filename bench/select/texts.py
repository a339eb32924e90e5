"""The vectors of all texts that the replication needs, made once and kept in its work folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.select.choices import listed
from bench.select.frozen import Vectors
from bench.select.pool import PoolRow
from tart.documents import Document
from tart.encoder import Encoder
from tart_index.folder import IndexFolder

Floats = NDArray[np.float32]

# Texts between two saves.
_PART = 2_000
# Of an answer, in words: a summary is told from another by its start.
_ANSWER_WORDS = 40


class KeptVectors:
    """Vectors in files of a folder, a part at a time; what is there is not made again.

    Args:
        folder: Where the parts are.
        encoder: Makes what is missing.
    """

    def __init__(self, folder: Path, encoder: Callable[[], Encoder]) -> None:
        self._folder = folder
        self._encoder = encoder

    def documents(self, name: str, texts: Sequence[str]) -> Floats:
        """Vectors of texts, as documents. Shape: (texts, dim), float32, unit rows."""

        def encode(part: Sequence[str]) -> Floats:
            documents = [Document(id=str(number), text=text) for number, text in enumerate(part)]
            return self._encoder().encode_documents(documents)

        return self._parts(name, texts, encode)

    def queries(self, name: str, texts: Sequence[str], instruction: str) -> Floats:
        """Vectors of texts, as queries under an instruction. Shape: (texts, dim), float32, unit rows."""

        def encode(part: Sequence[str]) -> Floats:
            return self._encoder().encode_queries(part, [instruction] * len(part), truncate=True)

        return self._parts(name, texts, encode)

    def _parts(self, name: str, texts: Sequence[str], encode: Callable[[Sequence[str]], Floats]) -> Floats:
        found = []
        for start in range(0, len(texts), _PART):
            file = self._folder / name / f"{start:07}.npy"
            if not file.is_file():
                file.parent.mkdir(parents=True, exist_ok=True)
                made = encode(texts[start : start + _PART])
                unfinished = file.with_suffix(".part.npy")
                np.save(unfinished, made)
                unfinished.rename(file)
            found.append(np.load(file))
        return np.concatenate(found)


def input_vectors(rows: Sequence[PoolRow], index: Path) -> Floats:
    """The vectors of all inputs, from an index of the pool. Shape: (rows, dim), float32, unit rows."""
    folder = IndexFolder.open(index)
    numbers = {document_id: number for number, document_id in zip(folder.rows(), folder.ids(), strict=True)}
    stored = np.concatenate([np.asarray(part) for part in folder.vectors])
    vectors: Floats = stored[[numbers[row.id] for row in rows]]
    return vectors


def all_answers(rows: Sequence[PoolRow]) -> list[str]:
    """Every answer that a question of the pool may hold, in one order."""
    found = dict.fromkeys(row.target.strip() for row in rows)
    for row in rows:
        found.update(dict.fromkeys(listed(row) or ()))
    return list(found)


def gather(rows: Sequence[PoolRow], index: Path, kept: KeptVectors) -> Vectors:
    """All vectors that the frozen tier needs."""
    answers = all_answers(rows)
    shortened = [" ".join(answer.split()[:_ANSWER_WORDS]) or "-" for answer in answers]
    places = {answer: place for place, answer in enumerate(answers)}
    return Vectors(input_vectors(rows, index), kept.documents("answers", shortened), places)


def kept_json(file: Path, make: Callable[[], list[int]]) -> list[int]:
    """Numbers from a file, made where it is not there."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(make()), encoding="utf-8")
    found: list[int] = json.loads(file.read_text(encoding="utf-8"))
    return found
