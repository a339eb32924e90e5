"""Vectors of texts, kept on disk by content: a text is embedded once per model, whatever the sampling or the set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.instructions import Instruction
from tart_index.keys import digest
from tart_train.examples import DataError

WINDOW = 4_096
# About 128 tokens; what follows rarely changes what a text is near to, and costs as much again.
CUT_CHARACTERS = 600
_KEY_BYTES = 16


class TextEncoder(Protocol):
    """What mining needs of `tart.encoder.Encoder`."""

    @property
    def fingerprint(self) -> str:
        """Says which model this is."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    def encode_documents(self, documents: Sequence[Document]) -> NDArray[np.float32]:
        """Shape: (n_documents, dim), float32, unit rows."""

    def encode_queries(
        self,
        queries: Sequence[str],
        instructions: Sequence[Instruction | str | None] | None = None,
        *,
        truncate: bool = False,
    ) -> NDArray[np.float32]:
        """Shape: (n_queries, dim), float32, unit rows."""


class VectorCache:
    """Embeds what is not there yet, window by window; each window is safe on disk before the next begins.

    Vectors are kept in half precision: ranks of mined negatives need no more. One file of 16-byte keys and one of
    vectors grow together; after a crash the longer one is cut back. Several processes may share a cache.

    Args:
        folder: Of the cache; one folder within it for each model.
        encoder: Embeds.
        on_texts: Is told how many texts are done, for a progress bar.

    Raises:
        DataError: The cache is damaged.
    """

    def __init__(self, folder: Path, encoder: TextEncoder, on_texts: Callable[[int], None] | None = None) -> None:
        self._encoder = encoder
        self._on_texts = on_texts
        place = folder / encoder.fingerprint.rpartition(":")[2][:16]
        place.mkdir(parents=True, exist_ok=True)
        self._key_file, self._vector_file = place / "keys.bin", place / "vectors.f16"
        self._lock_file = place / "lock"
        self._rows: dict[bytes, int] = {}
        self._read_keys()

    def __len__(self) -> int:
        """How many vectors there are."""
        return len(self._rows)

    def documents(self, documents: Sequence[Document]) -> NDArray[np.float32]:
        """Vectors of documents, cut to `CUT_CHARACTERS`. Shape: (n_documents, dim), float32, near-unit rows."""
        cut = [Document(one.id, one.text[:CUT_CHARACTERS].strip() or one.text, one.title) for one in documents]
        keys = [digest("document", one.title, one.text) for one in cut]
        return self._vectors(keys, lambda numbers: self._encoder.encode_documents([cut[n] for n in numbers]))

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of queries without an instruction. Shape: (n_texts, dim), float32, near-unit rows."""
        cut = [text[:CUT_CHARACTERS].strip() or text for text in texts]
        keys = [digest("query", text) for text in cut]
        return self._vectors(
            keys, lambda numbers: self._encoder.encode_queries([cut[n] for n in numbers], truncate=True)
        )

    def _vectors(
        self, keys: Sequence[bytes], encode: Callable[[Sequence[int]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        numbers = list({key: number for number, key in enumerate(keys) if key not in self._rows}.values())
        for start in range(0, len(numbers), WINDOW):
            window = numbers[start : start + WINDOW]
            self._append([keys[number] for number in window], encode(window))
            if self._on_texts is not None:
                self._on_texts(len(window))
        if not keys:
            return np.empty((0, self._encoder.dim), np.float32)
        stored = np.memmap(self._vector_file, np.float16, "r", shape=(len(self._rows), self._encoder.dim))
        return stored[[self._rows[key] for key in keys]].astype(np.float32)

    def _append(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Adds what no other process added meanwhile, after both files are cut to what is whole."""
        from filelock import FileLock

        with FileLock(self._lock_file):
            self._read_keys()
            for file, bytes_each in ((self._key_file, _KEY_BYTES), (self._vector_file, 2 * self._encoder.dim)):
                with file.open("ab") as stream:
                    stream.truncate(len(self._rows) * bytes_each)
            new = [number for number, key in enumerate(keys) if key not in self._rows]
            with self._vector_file.open("ab") as stream:
                stream.write(vectors[new].astype(np.float16).tobytes())
            with self._key_file.open("ab") as stream:
                stream.write(b"".join(keys[number] for number in new))
            for number in new:
                self._rows[keys[number]] = len(self._rows)

    def _read_keys(self) -> None:
        content = self._key_file.read_bytes() if self._key_file.exists() else b""
        vectors = self._vector_file.stat().st_size if self._vector_file.exists() else 0
        count = min(len(content) // _KEY_BYTES, vectors // (2 * self._encoder.dim))
        starts = range(0, count * _KEY_BYTES, _KEY_BYTES)
        self._rows = {content[start : start + _KEY_BYTES]: row for row, start in enumerate(starts)}
        if len(self._rows) != count:
            raise DataError(f"{self._key_file}: a key stands twice; delete the cache folder {self._key_file.parent}")
