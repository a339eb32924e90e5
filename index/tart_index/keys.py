"""From a document's id, or its content, to its row: sorted digests beside each part, memory-mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import IndexFolderError
from tart_index.files import open_array, write_array
from tart_index.table import metadata_json


def digest(*values: str) -> bytes:
    """16 bytes that stand for some texts: BLAKE2b, so that a collision is no practical concern."""
    return hashlib.blake2b(b"".join(map(framed, values)), digest_size=16).digest()


def framed(text: str) -> bytes:
    """A text as bytes behind their count, so that several in a row cannot be confused with others."""
    encoded = text.encode("utf-8", "surrogatepass")
    return len(encoded).to_bytes(8, "little") + encoded


def id_digest(document_id: str) -> bytes:
    """The digest of an id."""
    return digest(document_id)


def content_digest(document: Document) -> bytes:
    """The digest of everything that a model reads of a document: equal digests have equal vectors."""
    return digest(document.title, document.text)


def document_digest(document: Document) -> bytes:
    """The digest of a whole document."""
    return digest(document.id, document.title, document.text, metadata_json(document))


class KeyTable:
    """Digests of a part's rows, sorted.

    Args:
        keys: Shape: (3, count), uint64: the digests' first and second halves and the rows, sorted by the first half.
        file: Where they were read from.
    """

    def __init__(self, keys: NDArray[np.uint64], file: Path | None = None) -> None:
        self._keys = keys
        self._file = file

    @classmethod
    def of(cls, digests: Sequence[bytes]) -> KeyTable:
        """The table of digests in the order of the rows."""
        halves = np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)
        order = np.argsort(halves[:, 0], kind="stable")
        return cls(np.stack([halves[order, 0], halves[order, 1], order.astype(np.uint64)]))

    @classmethod
    def open(cls, file: Path, count: int) -> KeyTable:
        """Maps a table into memory.

        Raises:
            IndexFolderError: The file is no such table.
        """
        return cls(open_array(file, (3, count), np.uint64), file)

    def save(self, file: Path) -> None:
        """Writes the table where `open` finds it."""
        write_array(file, self._keys)

    def rows(self, wanted: bytes) -> Iterator[int]:
        """The rows of a digest; no more than one where digests are unique.

        Raises:
            IndexFolderError: The file is damaged.
        """
        high, low = np.frombuffer(wanted, dtype="<u8")
        firsts, seconds, rows = self._keys
        place = int(np.searchsorted(firsts, high))
        while place < len(firsts) and firsts[place] == high:
            if seconds[place] == low and rows[place] >= len(rows):
                raise IndexFolderError(f"{self._file}: is damaged (a row that is not there); build the index anew")
            if seconds[place] == low:
                yield int(rows[place])
            place += 1
