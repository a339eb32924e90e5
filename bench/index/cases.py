"""Commands that change an index, each with the index that it starts from and what must be there before and after.

The real command line runs, in forks of this process; only the encoder is made up: a text's vector is the count of its
tokens, so that a command takes milliseconds and every vector can be computed again.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

# Before numpy, torch and tokenizers are imported: threads do not survive a fork.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import numpy as np
import rich.progress
import steps
from numpy.typing import NDArray

from tart import Document, Encoder
from tart.__main__ import main as tart_main
from tart.errors import IndexFolderError, TartError
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, SearchRequest, build_index, parse_filter
from tart_index import importing, progress, structure_cli, versions  # noqa: F401 (imported here for every fork)
from tart_index.ann import search as ann_search
from tart_index.ann import structures
from tart_index.ann.choose import Wanted
from tart_index.cli import verify
from tart_index.merging import merge_small_parts
from tests.index.counting import counting_encoder

WORDS = "merge sort read compress parse open hash flatten count remove reverse join download send resize".split()  # noqa: SIM905
PART = 5
NOTHING = "nothing"
_ENCODER = counting_encoder()
_ENCODER.hardware = replace(_ENCODER.hardware, threads=1)


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


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        name: In reports.
        arguments: For `tart`; FOLDER, OUT and FILES stand for folders.
        before: What is in OUT before, None for nothing.
        after: What is in OUT afterwards.
        prepare: Commands that make FOLDER.
        in_place: Whether OUT is FOLDER.
        midway: A version that it publishes on its way.
        again: What the command says when all is done already; "" where it then does nothing.
        work: Runs instead of the command line.
    """

    name: str
    arguments: tuple[str, ...]
    before: Content | None
    after: Content
    prepare: tuple[tuple[str, ...], ...] = ()
    in_place: bool = True
    midway: Content | None = None
    again: str = ""
    work: Callable[[Path], object] | None = None


class Place(NamedTuple):
    """The folders of one trial."""

    root: Path

    @property
    def folder(self) -> Path:
        """The index that commands start from."""
        return self.root / "index"

    def out(self, case: Case) -> Path:
        """The folder that a command writes."""
        return self.folder if case.in_place else self.root / "out"


def made_up(numbers: Sequence[int], text: str = "") -> dict[str, Document]:
    """Documents with metadata of every type."""
    return {f"d{number}": _document(number, text) for number in numbers}


def _document(number: int, text: str) -> Document:
    words = text or " ".join(WORDS[(number * step + step) % len(WORDS)] for step in range(1, 6))
    day = f"2024-01-{number % 28 + 1:02}"
    metadata = {"n": number, "kind": ["code", "text"][number % 2], "day": day, "share": number / 7, "tags": ["a", day]}
    return Document(f"d{number}", words, f"Title {number}" if number % 3 else "", metadata)


FIRST = made_up(range(8))
CHANGED = {**made_up(range(2, 6)), **made_up([6], "quite other words"), **made_up([10, 11])}
NEW = made_up(range(30, 34))
UPSERTED = {**made_up([2], "not what it was"), **made_up([7]), **made_up([40])}
GONE = ("d0", "d4", "d7")
SMALL = [made_up([number]) for number in range(50, 53)]


def without(documents: Mapping[str, Document], gone: Sequence[str] = GONE) -> dict[str, Document]:
    """All but some."""
    return {name: document for name, document in documents.items() if name not in gone}


_BUILD = ("index", "build", "FILES/first.jsonl", "--out", "FOLDER", "--part-size", str(PART))
_DELETE = ("index", "delete", "FOLDER", *GONE)
_TUNE = ("index", "tune", "FOLDER", "--structure", "HNSW4_SQ8", "--sample", "20", "--threads", "1", "--recall")
_BASE = (_BUILD, (*_TUNE, "0.5"), _DELETE)
_HELD = Content(without(FIRST), "HNSW4_SQ8")
_SMALL_PARTS = tuple(("index", "add", "FOLDER", f"FILES/small{number}.jsonl") for number in range(len(SMALL)))
_ADDED = {name: document for small in SMALL for name, document in small.items()}
_MANY = (
    _BUILD,
    (*_TUNE, "0.5"),
    ("index", "build", "FILES/changed.jsonl", "--out", "FOLDER", "--part-size", str(PART)),
)

CASES = (
    Case("build", _BUILD, None, Content(FIRST)),
    Case(
        "build with a structure",
        (*_BUILD, "--structure", "HNSW4_SQ8", "--recall", "0.5", "--threads", "1"),
        None,
        Content(FIRST, "HNSW4_SQ8"),
        midway=Content(FIRST),
    ),
    Case(
        "rebuild over a changed corpus",
        ("index", "build", "FILES/changed.jsonl", "--out", "FOLDER", "--part-size", str(PART)),
        _HELD,
        Content(CHANGED),
        _BASE,
    ),
    Case(
        "add",
        ("index", "add", "FOLDER", "FILES/new.jsonl"),
        _HELD,
        Content({**without(FIRST), **NEW}, "HNSW4_SQ8"),
        _BASE,
    ),
    Case(
        "upsert",
        ("index", "upsert", "FOLDER", "FILES/upserted.jsonl"),
        _HELD,
        Content({**without(FIRST), **UPSERTED}, "HNSW4_SQ8"),
        _BASE,
    ),
    Case(
        "delete",
        ("index", "delete", "FOLDER", "d1", "d5"),
        _HELD,
        Content(without(_HELD.documents, ["d1", "d5"]), "HNSW4_SQ8"),
        _BASE,
    ),
    Case("compact", ("index", "compact", "FOLDER", "--part-size", "4"), _HELD, Content(without(FIRST)), _BASE),
    Case("restore", ("index", "restore", "FOLDER", "1"), _HELD, Content(FIRST), _BASE),
    Case("tune", (*_TUNE, "0.5"), Content(without(FIRST)), _HELD, (_BUILD, _DELETE)),
    Case("tune again for another recall", (*_TUNE, "0.6"), _HELD, _HELD, _BASE),
    Case(
        "take the structure away",
        ("index", "tune", "FOLDER", "--structure", "exact"),
        _HELD,
        Content(without(FIRST)),
        _BASE,
    ),
    Case(
        "delete, and prune all versions but one",
        ("index", "delete", "FOLDER", "d5", "d6", "--keep", "1"),
        Content(CHANGED),
        Content(without(CHANGED, ["d5", "d6"])),
        _MANY,
    ),
    Case(
        "merge small parts",
        (),
        Content({**without(FIRST), **_ADDED}, "HNSW4_SQ8"),
        Content({**without(FIRST), **_ADDED}, "HNSW4_SQ8"),
        (*_BASE, *_SMALL_PARTS),
        work=lambda folder: merge_small_parts(folder, part_size=PART, most=2),
    ),
    Case("snapshot", ("index", "snapshot", "FOLDER", "OUT"), None, _HELD, _BASE, in_place=False),
    Case(
        "import",
        ("index", "import", "FILES/first.jsonl", "--vectors", "FILES/first.npy", "--out", "OUT"),
        None,
        Content(FIRST),
        in_place=False,
        again="holds an index already",
    ),
)


class Bench:
    """A folder for trials, with the corpora and every index that a command starts from."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = root / "files"
        self.output = root / "output"
        self._made: dict[tuple[tuple[str, ...], ...], Path] = {}
        self.files.mkdir()
        small = {f"small{number}": documents for number, documents in enumerate(SMALL)}
        corpora = {"first": FIRST, "changed": CHANGED, "new": NEW, "upserted": UPSERTED, **small}
        for name, documents in corpora.items():
            write_corpus(self.files / f"{name}.jsonl", documents)
        self.run(lambda: np.save(self.files / "first.npy", vectors(FIRST.values())))

    def run(self, work: Callable[[], object]) -> steps.Ended:
        """Runs something in a process of its own that must succeed."""
        ended = steps.run(work, self.output)
        if ended.status:
            raise RuntimeError(f"status {ended.status}: {ended.output}")
        return ended

    def place(self, case: Case, name: str = "trial") -> Place:
        """A fresh copy of what a command starts from."""
        if case.prepare not in self._made:
            made = Place(self.root / f"made{len(self._made)}")
            made.root.mkdir()
            for arguments in case.prepare:
                self.run(self.command(arguments, made, case))
            self._made[case.prepare] = made.root
        place = Place(self.root / name)
        shutil.rmtree(place.root, ignore_errors=True)
        shutil.copytree(self._made[case.prepare], place.root)
        return place

    def command(self, arguments: Sequence[str], place: Place, case: Case) -> Callable[[], object]:
        """The command line, or the case's own work, for `steps.run`."""
        if case.work is not None and arguments == case.arguments:
            work = case.work
            return lambda: work(place.folder)
        names = {"FOLDER": place.folder, "OUT": place.out(case), "FILES": self.files}
        words = [(argument, *argument.partition("/")) for argument in arguments]
        return self.tart(*(str(names[word] / rest) if word in names else whole for whole, word, _, rest in words))

    def tart(self, *arguments: str) -> Callable[[], object]:
        """The command line, for `steps.run`."""

        def run() -> None:
            sys.argv = ["tart", *arguments]
            tart_main()

        return run

    def look(self, path: Path, contents: Sequence[Content | None]) -> Seen:
        """What a fresh process finds in a folder."""
        ended = steps.run(lambda: print(json.dumps(_look(path, contents))), self.output)
        if ended.status:
            return Seen(0, [], f"a reader ended with {ended.status}: {ended.output[-300:]}")
        return Seen(*json.loads(ended.output.splitlines()[-1]))


@contextmanager
def bench(root: Path | None) -> Iterator[Bench]:
    """A bench in a temporary folder, in memory where the machine has such a place: a step is then a fast one."""
    memory = Path("/dev/shm")  # noqa: S108 (a fast place for files that are made and removed here)
    Encoder.load = classmethod(lambda cls, *_, **__: _ENCODER)  # type: ignore[assignment]
    with tempfile.TemporaryDirectory(dir=root or (memory if memory.is_dir() else None)) as name:
        _warm_up(Path(name) / "warm")
        yield Bench(Path(name).resolve())


def _warm_up(path: Path) -> None:
    """Imports and makes ready what every fork needs, on one thread, for threads do not survive a fork."""
    build_index(Corpus.from_documents("warm", lambda: FIRST.values()), path, _ENCODER, BuildOptions(part_size=PART))
    structures.make_structure(path, Wanted(factory="IVF1,Flat", queries=20, threads=1))
    _look(path, [])
    shutil.rmtree(path)
    gc.freeze()


def vectors(documents: Iterable[Document]) -> NDArray[np.float32]:
    """What the made up encoder makes of documents."""
    return _ENCODER.encode_documents(list(documents))


def write_corpus(file: Path, documents: Mapping[str, Document]) -> None:
    """Writes documents as JSON lines."""
    rows = [{"id": d.id, "title": d.title, "text": d.text, "metadata": dict(d.metadata)} for d in documents.values()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _look(path: Path, contents: Sequence[Content | None]) -> Seen:
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
    searcher = Searcher(folder, _ENCODER)
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
    searcher = Searcher(folder, _ENCODER)
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
