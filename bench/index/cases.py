"""Commands that change an index, each with the index that it starts from and what must be there before and after.

The real command line runs, in forks of this process; only the encoder is made up: a text's vector is the count of its
tokens, so that a command takes milliseconds and every vector can be computed again.
"""

from __future__ import annotations

import gc
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import steps
from contents import ENCODER, Content, Seen, look, made_up, save_vectors

from tart import Document, Encoder
from tart.__main__ import main as tart_main
from tart_index import BuildOptions, Corpus, build_index, importing, progress, structure_cli, versions
from tart_index.ann import structures
from tart_index.ann.choose import Wanted
from tart_index.merging import merge_small_parts

# Imported once, and not in every fork.
READY = (importing, progress, structure_cli, versions)
PART = 5


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
        save_vectors(self.files / "first.npy", FIRST.values())

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
        ended = steps.run(lambda: print(json.dumps(look(path, contents))), self.output)
        if ended.status:
            return Seen(0, [], f"a reader ended with {ended.status}: {ended.output[-300:]}")
        return Seen(*json.loads(ended.output.splitlines()[-1]))


@contextmanager
def bench(root: Path | None) -> Iterator[Bench]:
    """A bench in a temporary folder, in memory where the machine has such a place: a step is then a fast one."""
    memory = Path("/dev/shm")  # noqa: S108 (a fast place for files that are made and removed here)
    Encoder.load = classmethod(lambda cls, *_, **__: ENCODER)  # type: ignore[assignment]
    with tempfile.TemporaryDirectory(dir=root or (memory if memory.is_dir() else None)) as name:
        _warm_up(Path(name) / "warm")
        yield Bench(Path(name).resolve())


def _warm_up(path: Path) -> None:
    """Imports and makes ready what every fork needs, on one thread, for threads do not survive a fork."""
    build_index(Corpus.from_documents("warm", FIRST.values), path, ENCODER, BuildOptions(part_size=PART))
    structures.make_structure(path, Wanted(factory="IVF1,Flat", queries=20, threads=1))
    look(path, [])
    shutil.rmtree(path)
    gc.freeze()


def write_corpus(file: Path, documents: Mapping[str, Document]) -> None:
    """Writes documents as JSON lines."""
    rows = [{"id": d.id, "title": d.title, "text": d.text, "metadata": dict(d.metadata)} for d in documents.values()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
