"""Vectors of corpora and of instructed queries, each made once and kept by what decides them.

A file is named by a hash of the model, its input format and number type, and the texts: a second run, or one that
goes on after an interruption, finds what is there. Files appear whole, by a rename.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import WINDOW, Encoder, batched
from tart_index.corpus import content_hash
from tart_index.files import open_array, sync
from tart_index.keys import digest
from tart_train.evaluation.progress import Step, Steps

_QUERIES = 2_048


class InstructedQuery(NamedTuple):
    """A query under an instruction; "" is none."""

    instruction: str
    text: str


class VectorStore:
    """Makes vectors, or finds those of an earlier run.

    Args:
        folder: Where the files are.
        encoder: What makes them.
        steps: Is told how it goes on.
    """

    def __init__(self, folder: Path, encoder: Encoder, steps: Steps) -> None:
        self._folder = folder
        self._encoder = encoder
        self.steps = steps
        self._identity = (encoder.fingerprint, encoder.input_format.fingerprint, encoder.hardware.dtype)
        folder.mkdir(parents=True, exist_ok=True)

    def documents(self, name: str, documents: Iterable[Document], count: int) -> list[NDArray[np.float32]]:
        """The vectors of a corpus, in its order, as memory-mapped parts of shape (part count, dim)."""
        found: list[tuple[Path, int]] = []
        with self.steps.step(f"documents of {name}", count) as step:
            # Taken in the order in which they were given: `encode_windows` keeps it, one window ahead.
            windows = self._missing_windows(documents, found, step)
            for encoded in self._encoder.encode_windows(windows):
                file = self._file("documents", content_hash(self._identity, encoded.documents))
                self._save(file, encoded.vectors)
                step.done(len(encoded.documents))
        return [open_array(file, (rows, self._encoder.dim), np.float32) for file, rows in found]

    def queries(self, name: str, queries: Sequence[InstructedQuery]) -> NDArray[np.float32]:
        """The vectors of distinct queries; those too long lose their end, never their instruction.

        Returns:
            Shape: (n_queries, dim), float32, unit rows.
        """
        parts = [np.empty((0, self._encoder.dim), np.float32)]
        with self.steps.step(f"queries of {name}", len(queries)) as step:
            for batch in batched(queries, _QUERIES):
                parts.append(self._query_part(batch))
                step.done(len(batch))
        return np.concatenate(parts)

    def _missing_windows(
        self, documents: Iterable[Document], found: list[tuple[Path, int]], step: Step
    ) -> Iterator[list[Document]]:
        """Windows that have no file; notes the files of all."""
        for window in batched(documents, WINDOW):
            file = self._file("documents", content_hash(self._identity, window))
            found.append((file, len(window)))
            if file.exists():
                step.done(len(window))
            else:
                yield window

    def _query_part(self, queries: Sequence[InstructedQuery]) -> NDArray[np.float32]:
        words = [word for query in queries for word in query]
        file = self._file("queries", digest(*self._identity, *words).hex())
        if not file.exists():
            instructions = [query.instruction for query in queries]
            texts = [query.text for query in queries]
            self._save(file, self._encoder.encode_queries(texts, instructions, truncate=True))
        return np.asarray(open_array(file, (len(queries), self._encoder.dim), np.float32))

    def _file(self, kind: str, name: str) -> Path:
        return self._folder / f"{kind}-{name}.npy"

    @staticmethod
    def _save(file: Path, vectors: NDArray[np.float32]) -> None:
        new = file.with_suffix(".new")
        with new.open("wb") as stream:
            np.save(stream, np.ascontiguousarray(vectors, np.float32), allow_pickle=False)
        sync(new)
        new.replace(file)
