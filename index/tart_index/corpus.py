"""A corpus as the builder reads it: a stream of documents in a fixed order, no id twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import SourceError
from tart.readers import ReadOptions, ReadReport, read_documents
from tart.readers.rows import BadRow, shown_value
from tart_index.keys import framed, id_digest
from tart_index.table import metadata_json

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents that can be streamed.

    Attributes:
        names: What the corpus is made of, as shown and stored.
        read: Streams the documents from the start and fills a report.
        rereadable: Whether `read` can be called again, so that the corpus can be checked before it is embedded.
        on_error: Whether a second document of the same id is an error or is skipped.
    """

    names: tuple[str, ...]
    read: Callable[[ReadReport], Iterator[Document]]
    rereadable: bool = True
    on_error: Literal["fail", "skip"] = "fail"

    @classmethod
    def from_sources(cls, sources: Sequence[str], options: ReadOptions | None = None) -> Corpus:
        """Files and folders, or "-" for JSON lines on standard input, one after the other.

        Raises:
            SourceError: A file or folder is missing.
        """
        options = options or ReadOptions()
        for source in sources:
            if source != STANDARD_INPUT and not Path(source).exists():
                raise SourceError(f"no such file or folder: {source}")

        def read(report: ReadReport) -> Iterator[Document]:
            for source in sources:
                yield from read_documents(source, options, report)

        return cls(tuple(sources), read, STANDARD_INPUT not in sources, options.on_error)

    @classmethod
    def from_documents(cls, name: str, documents: Callable[[], Iterable[Document]]) -> Corpus:
        """Documents that a function makes, the same at each call."""

        def read(report: ReadReport) -> Iterator[Document]:
            for document in documents():
                report.documents += 1
                yield document

        return cls((name,), read)

    def documents(self, report: ReadReport) -> Iterator[Document]:
        """Streams the documents with ids checked.

        Raises:
            SourceError: A source cannot be read, a row is malformed or an id stands twice (unless these are skipped).
        """
        seen = SeenIds()
        for document in self.read(report):
            if seen.add(document.id):
                yield document
            else:
                self._settle_duplicate(document, report)

    def _settle_duplicate(self, document: Document, report: ReadReport) -> None:
        path, line = report.place
        problem = (
            f"the id {shown_value(document.id)} stands a second time; make ids unique, or skip with --on-error skip"
        )
        row = BadRow(path, line, "duplicate id", problem)
        if self.on_error == "fail":
            raise SourceError(row.message)
        report.skip(row)


class SeenIds:
    """Tells whether an id came before, in 16 bytes an id: sorted runs of 128-bit digests, merged as they grow."""

    _FRESH = 1 << 15

    def __init__(self) -> None:
        self._fresh: set[bytes] = set()
        self._runs: list[NDArray[np.uint64]] = []

    def add(self, document_id: str) -> bool:
        """Remembers an id; False if it was there already."""
        digest = id_digest(document_id)
        if digest in self._fresh or any(_holds(run, digest) for run in self._runs):
            return False
        self._fresh.add(digest)
        if len(self._fresh) >= self._FRESH:
            self._flush()
        return True

    def _flush(self) -> None:
        run = _sorted(np.frombuffer(b"".join(self._fresh), dtype="<u8").reshape(-1, 2))
        self._fresh.clear()
        # Each run stays more than twice as long as the one after it, so there are only logarithmically many.
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = _sorted(np.concatenate([self._runs.pop(), run]))
        self._runs.append(run)


def _sorted(run: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return run[np.argsort(run[:, 0], kind="stable")]


def _holds(run: NDArray[np.uint64], digest: bytes) -> bool:
    high, low = np.frombuffer(digest, dtype="<u8")
    first = int(np.searchsorted(run[:, 0], high))
    last = int(np.searchsorted(run[:, 0], high, side="right"))
    return bool((run[first:last, 1] == low).any())


def content_hash(identity: Sequence[str], documents: Iterable[Document]) -> str:
    """Names a part by everything that decides it: 32 hexadecimal digits of a SHA-256.

    Args:
        identity: What besides the documents decides the vectors (model, input format, number type).
        documents: The part's rows.
    """
    digest = hashlib.sha256()
    for value in identity:
        digest.update(framed(value))
    for document in documents:
        for value in (document.id, document.title, document.text, metadata_json(document)):
            digest.update(framed(value))
    return digest.hexdigest()[:32]
