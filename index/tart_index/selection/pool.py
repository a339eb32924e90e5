"""The pool: rows that may be chosen, with their ids, tasks and vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import IndexFolderError, SourceError
from tart.readers import ReadReport
from tart_index.builder import BuildOptions, build_index
from tart_index.corpus import Corpus
from tart_index.folder import IndexFolder
from tart_index.searcher import check_model
from tart_index.selection.examples import Example
from tart_index.selection.keys import refuse_too_many
from tart_index.selection.sources import ReadAccount, Reading, Source
from tart_index.selection.stage import EmbeddingStage, Stages
from tart_index.selection.stores import ExampleStore, IndexExamples, KeptExamples, Spool
from tart_index.selection.vectors import PoolVectors

_NO_TASK = -1
_STEP = 1_000


class Order(NamedTuple):
    """In which order equal scores come.

    Attributes:
        places: Shape: (n_rows,), uint32: of each row among all.
        by_place: Shape: (n_rows,), int64: the row that has a place.
    """

    places: NDArray[np.uint32]
    by_place: NDArray[np.int64]

    @classmethod
    def of_rows(cls, rows: int) -> Order:
        """Rows as they come."""
        return cls(np.arange(rows, dtype=np.uint32), np.arange(rows))


@dataclass(frozen=True, slots=True)
class Pool:
    """Rows that may be chosen.

    Attributes:
        name: As shown and stored.
        sha256: Of the source; the fingerprint of an index.
        ids: Of all rows, as an Arrow array.
        places: Shape: (n_rows,), uint32: of each row's id among all ids.
        by_place: Shape: (n_rows,), int64: the row whose id has a place.
        tasks: Names of tasks, sorted.
        task_of: Shape: (n_rows,), int32: the number of each row's task in `tasks`, -1 where it has none.
        examples: By row.
        notes: What the user should know of it.
        folder: The index that holds the vectors, where there is one.
        vectors: Of all rows, where they are needed.
    """

    name: str
    sha256: str
    ids: Any
    places: NDArray[np.uint32]
    by_place: NDArray[np.int64]
    tasks: tuple[str, ...]
    task_of: NDArray[np.int32]
    examples: ExampleStore
    notes: tuple[str, ...] = ()
    folder: IndexFolder | None = None
    vectors: PoolVectors | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def id_of(self, row: int) -> str:
        """The id of a row."""
        return str(self.ids[int(row)].as_py())

    def task_name(self, row: int) -> str | None:
        """The task of a row; None where it has none."""
        number = int(self.task_of[row])
        return None if number == _NO_TASK else self.tasks[number]


@dataclass(slots=True)
class _Catalogue:
    """Ids and tasks of rows, collected while these stream by."""

    _ids: list[Any] = field(default_factory=list)
    _tasks: dict[str, int] = field(default_factory=dict)
    _task_of: list[int] = field(default_factory=list)
    _fresh: list[str] = field(default_factory=list)

    def add(self, row_id: str, task: str | None) -> None:
        """Takes one row."""
        self._fresh.append(row_id)
        self._task_of.append(_NO_TASK if task is None else self._tasks.setdefault(task, len(self._tasks)))
        if len(self._fresh) == 1 << 16:
            self._ids.append(pa.array(self._fresh, pa.large_string()))
            self._fresh.clear()

    def pool(self, name: str, sha256: str, examples: ExampleStore, notes: tuple[str, ...]) -> Pool:
        """The pool of these rows, without vectors."""
        ids = pa.concat_arrays([*self._ids, pa.array(self._fresh, pa.large_string())])
        refuse_too_many(len(ids))
        by_place = pc.array_sort_indices(ids).to_numpy().astype(np.int64)
        places = np.empty(len(ids), np.uint32)
        places[by_place] = np.arange(len(ids), dtype=np.uint32)
        names = sorted(self._tasks)
        renumbered = np.array([names.index(task) for task in self._tasks] + [_NO_TASK], np.int32)
        task_of = renumbered[np.array(self._task_of, np.int64)]
        return Pool(name, sha256, ids, places, by_place, tuple(names), task_of, examples, notes)


def read_pool(source: Source, reading: Reading, spool_file: Path, stages: Stages) -> Pool:
    """Reads and checks every row of a source once; nothing is embedded yet.

    Args:
        source: The rows.
        reading: How they are read.
        spool_file: Where rows go that do not lie in memory, so that any of them can be read again.
        stages: Is told how it goes on.

    Raises:
        SourceError: The source is empty or cannot be read, or a row is bad.
    """
    account, catalogue = ReadAccount(), _Catalogue()
    spool = Spool(spool_file)
    stages.start("reading", None)
    examples = source.examples(reading, account)
    rows = 0
    for example in examples if source.kept is not None else spool.take(examples):
        catalogue.add(example.id, example.task)
        rows += 1
        if rows % _STEP == 0:
            stages.done(_STEP)
    if account.layout is None or not rows:
        raise SourceError(_empty(f"the pool {source.name}", account))
    if source.kept is None:
        store: ExampleStore = spool.examples(account.layout)
    else:
        kept = source.kept if not account.skipped else [e.values for e in source.examples(reading)]
        store = KeptExamples(kept, account.layout)
    notes = [f"pool {source.name}: {rows:,} rows; {account.layout.sentence()}"]
    if account.skipped:
        notes.append(f"pool {source.name}: {account.skipped:,} rows skipped, the first: {account.messages[0]}")
    return catalogue.pool(source.name, source.sha256(), store, tuple(notes))


def index_pool(folder: IndexFolder, reading: Reading, stages: Stages) -> Pool:
    """The documents of an index as a pool that needs no embedding."""
    catalogue = _Catalogue()
    alive = None if folder.alive is None else np.flatnonzero(folder.alive)
    store = IndexExamples(folder, alive, reading.fields)
    stages.start("reading", len(folder))
    first = 0
    for number, part in enumerate(folder.manifest.parts):
        ids, metadata = (folder.column(number, name).to_pylist() for name in ("id", "metadata"))
        for row in range(part.count):
            if folder.is_alive(first + row):
                catalogue.add(ids[row], store.task(json.loads(metadata[row])))
        first += part.count
        stages.done(part.count)
    note = (
        f"pool {folder.path.name}: an index of {len(folder):,} documents; input is their text, task and target metadata"
    )
    pool = catalogue.pool(folder.path.resolve().name, folder.manifest.fingerprint, store, (note,))
    return replace(pool, folder=folder, vectors=PoolVectors.of(folder))


def with_vectors(pool: Pool, encoder: Encoder, index: Path, stages: Stages, *, replace_index: bool) -> Pool:
    """The pool with its vectors: from its own index, or embedded into one.

    Rows that the index holds already, from a run that was killed or from another pool, are not embedded again.

    Args:
        pool: The pool.
        encoder: Makes the vectors.
        index: The folder of the index.
        stages: Is told how it goes on.
        replace_index: Build over an index of another model.

    Raises:
        IndexFolderError: The index is another model's, or the disk refuses.
    """
    if pool.folder is not None:
        check_model(pool.folder, encoder)
        return pool
    options = BuildOptions(keep=1, replace=replace_index)
    if not replace_index and (index / "manifest.json").exists():
        there = IndexFolder.open(index)
        check_model(there, encoder)
        options = replace(options, vector_dtype=there.manifest.vector_dtype)
    corpus = Corpus((pool.name,), lambda report: _documents(pool, report), rereadable=False)
    build_index(corpus, index, encoder, options, EmbeddingStage(stages, len(pool)))
    folder = IndexFolder.open(index)
    if len(folder) != len(pool):
        raise IndexFolderError(f"{index}: holds {len(folder):,} documents, the pool {len(pool):,}; delete the folder")
    return replace(pool, folder=folder, vectors=PoolVectors.of(folder))


def _documents(pool: Pool, report: ReadReport) -> Iterator[Document]:
    for row in range(len(pool)):
        report.documents += 1
        yield document_of(pool.examples[row])


def document_of(example: Example) -> Document:
    """What is embedded of an example, the input, with what an index should keep besides."""
    named = {"task": example.task, "target": example.target}
    return Document(example.id, example.input, "", {name: text for name, text in named.items() if text is not None})


def _empty(what: str, account: ReadAccount) -> str:
    if account.skipped:
        return f"{what}: all {account.skipped:,} rows were skipped, the first because: {account.messages[0]}"
    return f"{what} is empty; wanted one row or more"
