"""Documents and queries of the service's benchmarks: real docstrings and code of Python's standard library."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from tart.documents import Document
from tart.readers.python_source import STANDARD_LIBRARY_SKIP, python_documents, standard_library_root

INSTRUCTION = "Find the documentation of this"


def documents(count: int) -> list[Document]:
    """A sample of fixed seed; private functions too, for the public ones are fewer than 10,000.

    Raises:
        ValueError: There are not so many.
    """
    found = list(python_documents(standard_library_root(), skip=STANDARD_LIBRARY_SKIP, on_error="skip"))
    if len(found) < count:
        raise ValueError(f"the standard library gives {len(found):,} documents; ask for no more")
    chosen = [found[row] for row in np.random.default_rng(0).permutation(len(found))[:count]]
    # No titles: how a title is put before the text differs between the systems, and all shall embed the same words.
    return [Document(one.id, one.text, "", one.metadata) for one in chosen]


def queries(documents: Sequence[Document], seed: str, words: tuple[int, int] = (4, 12)) -> Iterator[str]:
    """Spans of the documents' words, no two alike: endless, and another sequence for every seed."""
    chooser = np.random.default_rng(zlib.crc32(seed.encode()))
    texts = [text for document in documents if len(text := document.text.split()) >= words[0]]
    told: set[str] = set()
    while True:
        span: list[str] = []
        length = int(chooser.integers(words[0], words[1] + 1))
        while len(span) < length:
            text = texts[chooser.integers(len(texts))]
            begin = int(chooser.integers(len(text)))
            span += text[begin : begin + length - len(span)]
        query = " ".join(span)
        if query not in told:
            told.add(query)
            yield query
