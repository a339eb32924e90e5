"""What an index holds, as a process sees it that opens it: documents, vectors, metadata and hits, compared with a wish.

Imported before anything else: it fixes the number of threads, which do not survive a fork.
"""

# ruff: noqa: E402
from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import numpy as np
from numpy.typing import NDArray

from tart import Document
from tart.errors import IndexFolderError, TartError
from tart_index import IndexFolder, Searcher, SearchRequest, parse_filter
from tart_index.ann import search as ann_search
from tart_index.cli import verify
from tests.index.counting import counting_encoder

WORDS = "merge sort read compress parse open hash flatten count remove reverse join download send resize".split()  # noqa: SIM905
ENCODER = counting_encoder()
ENCODER.hardware = replace(ENCODER.hardware, threads=1)


class Content(NamedTuple):
    """What an index holds, as far as a reader can tell.

    Attributes:
        documents: By id.
        structure: The factory string of its search structure, or "".
    """

    documents: Mapping[str, Document]
    structure: str = ""


class Seen(NamedTuple):
    """What a fresh process found in a folder.

    Attributes:
        version: 0 where there is no index.
        holds: Which of the contents that were asked about, by their places.
        fault: "" where all is well.
    """

    version: int
    holds: list[int]
    fault: str


def made_up(numbers: Sequence[int], text: str = "") -> dict[str, Document]:
    """Documents with metadata of every type."""
    return {f"d{number}": _document(number, text) for number in numbers}


def _document(number: int, text: str) -> Document:
    words = text or " ".join(WORDS[(number * step + step) % len(WORDS)] for step in range(1, 6))
    day = f"2024-01-{number % 28 + 1:02}"
    metadata = {"n": number, "kind": ["code", "text"][number % 2], "day": day, "share": number / 7, "tags": ["a", day]}
    return Document(f"d{number}", words, f"Title {number}" if number % 3 else "", metadata)


def vectors(documents: Iterable[Document]) -> NDArray[np.float32]:
    """What the made up encoder makes of documents."""
    return ENCODER.encode_documents(list(documents))


def save_vectors(file: Path, documents: Iterable[Document]) -> None:
    """Stores what the made up encoder makes of documents, for an import."""
    np.save(file, vectors(documents))


def look(path: Path, contents: Sequence[Content | None]) -> Seen:
    try:
        folder = IndexFolder.open(path)
    except IndexFolderError as error:
        missing = str(error).startswith("no index at")
        return Seen(0, [n for n, one in enumerate(contents) if one is None and missing], "" if missing else str(error))
    try:
        _verify(path)
        fault = _inconsistent(folder)
    except TartError as error:
        fault = str(error)
    if fault:
        return Seen(folder.manifest.version, [], fault)
    held = _content(folder)
    return Seen(folder.manifest.version, [number for number, one in enumerate(contents) if one == held], "")


def _content(folder: IndexFolder) -> Content:
    structure = folder.manifest.structure
    return Content({d.id: d for d in folder.documents()}, structure.factory if structure is not None else "")


def _verify(path: Path) -> None:
    """`tart index verify`, in this process."""
    verify.main([str(path)], standalone_mode=False)


def _inconsistent(folder: IndexFolder) -> str:
    """What of vectors, ids, metadata and search does not belong to the documents; "" where all does."""
    documents = [folder.document(row) for row in folder.rows()]
    held = np.stack([folder.vector(row) for row in folder.rows()])
    if not np.allclose(held, vectors(documents), atol=1e-6):
        return "vectors that are not those of the documents"
    if [folder.find(d.id) for d in documents] != list(folder.rows()):
        return "ids that are not found where they are"
    searcher = Searcher(folder, ENCODER)
    for wanted, holds in _FILTERS:
        request = SearchRequest(documents[0].text, "", top_k=1_000, filter=parse_filter(wanted))
        found = {hit.document.id for hit in searcher.search([request])[0].hits}
        if found != {d.id for d in documents if holds(d.metadata)}:
            return f"other hits than wanted under {wanted}"
    return ""


_FILTERS: tuple[tuple[dict[str, Any], Callable[[Mapping[str, Any]], bool]], ...] = (
    ({"type": "gte", "key": "n", "value": 7}, lambda m: m["n"] >= 7),
    ({"type": "eq", "key": "kind", "value": "code"}, lambda m: m["kind"] == "code"),
    ({"type": "lt", "key": "day", "value": "2024-01-09"}, lambda m: m["day"] < "2024-01-09"),
    ({"type": "in", "key": "tags", "value": ["a"]}, lambda m: "a" in m["tags"]),
    ({"type": "gt", "key": "share", "value": 1.5}, lambda m: m["share"] > 1.5),
)


def find_hits(path: Path) -> list[Any]:
    """Rows of many ids and texts, and all of the hits that several searches find, through the structure too."""
    ann_search._EXACT_NUMBERS = 0
    folder = IndexFolder.open(path)
    searcher = Searcher(folder, ENCODER)
    rows = [
        [folder.find(f"d{number}"), folder.find_content(document)]
        for number, document in enumerate(made_up(range(50)).values())
    ]
    filters = [
        None,
        *(parse_filter(wanted) for wanted, _ in _FILTERS),
        parse_filter({"type": "ne", "key": "n", "value": 8}),
    ]
    queries = ["merge sort", "open hash flatten", "send"]
    requests = [
        SearchRequest(query, "", top_k=5, filter=wanted, exact=exact)
        for query, wanted, exact in [
            *((queries[0], one, False) for one in filters),
            *((q, None, e) for q in queries for e in (True, False)),
        ]
    ]
    requests += [SearchRequest(queries[1], "", top_k=1_000, filter=one) for one in filters[:3]]
    return [
        rows,
        *(
            [
                [
                    hit.document.id,
                    hit.document.title,
                    hit.document.text,
                    dict(hit.document.metadata),
                    round(hit.score, 6),
                ]
                for hit in found.hits
            ]
            for found in searcher.search(requests)
        ),
    ]
