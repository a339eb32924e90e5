"""The mixture folder: typed examples and the documents that they name, as mining writes and training reads them.

Two Arrow datasets in Hugging Face's own form (``datasets.load_from_disk`` opens them), a table of sorted id digests
that leads from a document's id to its row, the sets' instructions, and a card with checksums. Everything large is
memory-mapped: opening costs milliseconds, and only the rows that a batch needs are read.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from tart.documents import Document
from tart.errors import DependencyError, IndexFolderError
from tart_index.files import check_content, check_size, stored, sync, write_synced
from tart_index.keys import KeyTable, id_digest
from tart_index.stored_file import StoredFile
from tart_train.examples import DataError, Example, Negative, check_instructions

if TYPE_CHECKING:
    import pyarrow as pa
    from typing_extensions import Self

FORMAT = "tart-mixture"
VERSION = 1
CARD, INSTRUCTIONS, KEYS = "card.json", "instructions.json", "document-keys.npy"
DOCUMENTS, EXAMPLES = "documents", "examples"
_DOCUMENT_COLUMNS = ("id", "title", "text", "dataset")
_EXAMPLE_COLUMNS = ("id", "dataset", "task", "group", "query", "instructions", "positives", "negatives")
_ROWS_PER_BATCH = 2_048

ExampleColumn = Literal["id", "dataset", "task", "group", "query"]


class Mixture:
    """Examples by number and documents by id, straight from the disk. Open one with `Mixture.open`.

    Attributes:
        path: The folder.
        card: What it was made of: `sets` with licences, counts, seed, settings.
        instructions: Wordings of each set.
    """

    def __init__(self, path: Path, card: Mapping[str, Any], instructions: Mapping[str, tuple[str, ...]]) -> None:
        self.path = path
        self.card = card
        self.instructions = instructions
        self._documents = _load(path / DOCUMENTS, _DOCUMENT_COLUMNS)
        self._examples = _load(path / EXAMPLES, _EXAMPLE_COLUMNS)
        found = (len(self._documents), len(self._examples))
        if found != (card["documents"], card["examples"]):
            raise DataError(
                f"{path}: found {found[0]} documents and {found[1]} examples, the card says {card['documents']} and "
                f"{card['examples']}; mine the mixture anew"
            )
        self._keys = KeyTable.open(path / KEYS, found[0])

    @classmethod
    def open(cls, path: str | Path) -> Mixture:
        """Opens a mixture; sizes are compared with the card, contents by `verify`.

        Raises:
            DataError: There is no mixture, a damaged one, or one of another version.
            DependencyError: The library `datasets` is not installed.
        """
        path = Path(path)
        card = _card(path)
        try:
            for name, file in _files(path, card):
                check_size(path / name, file)
            return cls(path, card, _instructions(path / INSTRUCTIONS))
        except IndexFolderError as error:
            raise DataError(f"{path}: damaged mixture ({error}); mine it anew") from error

    def verify(self) -> None:
        """Compares every file's bytes with the card.

        Raises:
            DataError: A file has changed since it was written.
        """
        try:
            for name, file in _files(self.path, self.card):
                check_content(self.path / name, file)
        except IndexFolderError as error:
            raise DataError(f"{self.path}: damaged mixture ({error}); mine it anew") from error

    def __len__(self) -> int:
        """How many examples there are."""
        return len(self._examples)

    def __getitem__(self, number: int) -> Example:
        """One example.

        Raises:
            IndexError: There is no such number.
        """
        if not -len(self) <= number < len(self):
            raise IndexError(f"example {number} of {len(self)}")
        return _example(self._examples[number])

    def __iter__(self) -> Iterator[Example]:
        """All examples, in order."""
        for start in range(0, len(self), _ROWS_PER_BATCH):
            yield from self.examples(range(start, min(start + _ROWS_PER_BATCH, len(self))))

    def examples(self, numbers: Sequence[int]) -> list[Example]:
        """Some examples, read together."""
        return [_example(row) for row in _rows(self._examples, numbers)]

    def column(self, name: ExampleColumn) -> list[str]:
        """One text column of all examples, without the rest: what sampling by task or by group needs."""
        values: list[str] = self._examples.data.column(name).to_pylist()
        return values

    def __contains__(self, document_id: str) -> bool:
        """Whether there is a document of this id."""
        return self._row(document_id) is not None

    def documents(self, ids: Sequence[str]) -> list[Document]:
        """Documents by id, in the order of the ids, read together; metadata holds the `dataset`.

        Raises:
            DataError: There is no document of an id.
        """
        rows = []
        for document_id in ids:
            row = self._row(document_id)
            if row is None:
                raise DataError(f"{self.path}: no document {document_id!r}; mine the mixture anew")
            rows.append(row)
        return [
            Document(row["id"], row["text"], row["title"], {"dataset": row["dataset"]})
            for row in _rows(self._documents, rows)
        ]

    def document(self, document_id: str) -> Document:
        """One document by id; see `documents`."""
        return self.documents([document_id])[0]

    def instructions_for(self, example: Example) -> tuple[str, ...]:
        """The wordings that an example may be trained with: its own, else those of its set."""
        return example.instructions or self.instructions.get(example.dataset, ())

    def _row(self, document_id: str) -> int | None:
        return next(self._keys.rows(id_digest(document_id)), None)


class MixtureWriter:
    """Writes a mixture row by row into a temporary folder beside its place, and renames it there when it is whole.

    Use it as a context manager; leaving the block by an error leaves nothing behind.

    Args:
        path: Where the mixture goes; must not exist, unless `overwrite` says so and it is a mixture.
        overwrite: Whether a mixture that is there is replaced.

    Raises:
        DataError: There is something else already.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        _import_datasets()
        self.path = Path(path)
        if self.path.exists():
            if not overwrite:
                raise DataError(f"{self.path} exists already; name another folder, or allow it to be overwritten")
            _card(self.path)
        self._seen: set[bytes] = set()
        self._digests: list[bytes] = []
        self._wanted: set[bytes] = set()
        self._example_ids: set[bytes] = set()
        self._tasks: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
        self._folder.chmod(0o755)
        self._documents = _Rows(self._folder / "documents.arrow", _document_schema())
        self._examples = _Rows(self._folder / "examples.arrow", _example_schema())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._documents.close()
        self._examples.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def has_document(self, document_id: str) -> bool:
        """Whether a document of this id was added."""
        return id_digest(document_id) in self._seen

    def add_document(self, document: Document, dataset: str) -> None:
        """Adds a document, once: a second one of the same id is passed over."""
        key = id_digest(document.id)
        if key in self._seen:
            return
        self._seen.add(key)
        self._digests.append(key)
        self._documents.add({"id": document.id, "title": document.title, "text": document.text, "dataset": dataset})

    def add(self, example: Example) -> None:
        """Adds an example; its documents may come before or after it.

        Raises:
            DataError: Another example has its id.
        """
        key = id_digest(example.id)
        if key in self._example_ids:
            raise DataError(f"example id {example.id!r} stands twice; give every example one of its own")
        self._example_ids.add(key)
        self._wanted.update(id_digest(one) for one in example.positives)
        self._wanted.update(id_digest(negative.id) for negative in example.negatives)
        self._tasks[example.task] += 1
        self._examples.add(
            {
                **{name: getattr(example, name) for name in ("id", "dataset", "task", "group", "query")},
                "instructions": list(example.instructions),
                "positives": list(example.positives),
                "negatives": [{"id": one.id, "kind": one.kind, "score": one.score} for one in example.negatives],
            }
        )

    def finish(self, instructions: Mapping[str, Sequence[str]], card: Mapping[str, Any]) -> Mixture:
        """Puts the mixture in its place.

        Args:
            instructions: Wordings of each set.
            card: What the mixture was made of: sets with licences, seed, settings.

        Raises:
            DataError: There is no example, an example names a document that was not added, or a wording is no text.
        """
        self._check(instructions)
        counts = {"documents": len(self._digests), "examples": len(self._example_ids)}
        for rows, name in ((self._documents, DOCUMENTS), (self._examples, EXAMPLES)):
            rows.save(self._folder / name)
        KeyTable.of(self._digests).save(self._folder / KEYS)
        _write_json(self._folder / INSTRUCTIONS, {name: list(each) for name, each in sorted(instructions.items())})
        names = sorted(p.relative_to(self._folder).as_posix() for p in self._folder.rglob("*") if p.is_file())
        for name in names:
            sync(self._folder / name)
        files = {name: asdict(stored(self._folder / name)) for name in names}
        body = {**card, **counts, "tasks": dict(sorted(self._tasks.items())), "files": files}
        _write_json(self._folder / CARD, {"format": FORMAT, "version": VERSION, **body})
        self._publish()
        return Mixture.open(self.path)

    def _check(self, instructions: Mapping[str, Sequence[str]]) -> None:
        if not self._example_ids:
            raise DataError(f"{self.path}: no example was mined; give sets with judgments")
        missing = self._wanted - self._seen
        if missing:
            raise DataError(f"{self.path}: {len(missing)} documents that examples name were never added")
        for name, wordings in instructions.items():
            check_instructions(wordings, f"set {name!r}")

    def _publish(self) -> None:
        old = self._folder.with_name(self._folder.name + ".old")
        if self.path.exists():
            self.path.rename(old)
        self._folder.rename(self.path)
        sync(self.path.parent)
        shutil.rmtree(old, ignore_errors=True)


class _Rows:
    """An Arrow stream that grows by batches, and becomes a saved dataset."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        import pyarrow as pa

        self._file = file
        self._schema = schema
        self._writer = pa.ipc.new_stream(str(file), schema)
        self._waiting: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        if len(self._waiting) >= _ROWS_PER_BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._waiting, schema=self._schema))
            self._waiting.clear()

    def close(self) -> None:
        self._writer.close()

    def save(self, folder: Path) -> None:
        """Writes the folder that `load_from_disk` opens, and drops the stream."""
        datasets = _import_datasets()
        self._flush()
        self.close()
        shown = datasets.is_progress_bar_enabled()
        datasets.disable_progress_bars()
        try:
            datasets.Dataset.from_file(str(self._file)).save_to_disk(str(folder))
        finally:
            if shown:
                datasets.enable_progress_bars()
        self._file.unlink()


def _document_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, pa.large_string() if name == "text" else pa.string()) for name in _DOCUMENT_COLUMNS])


def _example_schema() -> pa.Schema:
    import pyarrow as pa

    negative = pa.struct([("id", pa.string()), ("kind", pa.string()), ("score", pa.float32())])
    lists = {"instructions": pa.string(), "positives": pa.string(), "negatives": negative}
    return pa.schema([(name, pa.list_(lists[name]) if name in lists else pa.string()) for name in _EXAMPLE_COLUMNS])


def _import_datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise DependencyError("mixtures need `datasets`; install it: pip install 'tart-retrieval[train]'") from error
    return datasets


def _load(folder: Path, columns: Sequence[str]) -> Any:
    """Opens a saved dataset, memory-mapped."""
    datasets = _import_datasets()
    try:
        loaded = datasets.load_from_disk(str(folder), keep_in_memory=False)
    except Exception as error:
        raise DataError(f"{folder}: not a saved dataset ({error}); mine the mixture anew") from error
    if sorted(getattr(loaded, "column_names", ())) != sorted(columns):
        raise DataError(f"{folder}: found other columns than {', '.join(columns)}; mine the mixture anew")
    return loaded


def _rows(dataset: Any, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of a saved dataset by number."""
    rows: list[dict[str, Any]] = dataset.with_format("arrow")[list(numbers)].to_pylist() if len(numbers) else []
    return rows


def _example(row: Mapping[str, Any]) -> Example:
    return Example(
        id=row["id"],
        dataset=row["dataset"],
        query=row["query"],
        positives=tuple(row["positives"]),
        negatives=tuple(Negative(one["id"], one["kind"], one["score"]) for one in row["negatives"]),
        instructions=tuple(row["instructions"]),
        task=row["task"],
        group=row["group"],
    )


def _card(path: Path) -> dict[str, Any]:
    """The card of a mixture of this version."""
    card = _read_json(path / CARD)
    if card.get("format") != FORMAT:
        raise DataError(f"{path}: found a folder that is no mixture; wanted one that `tart data mine` wrote")
    if card.get("version") != VERSION:
        raise DataError(f"{path}: found mixture version {card.get('version')!r}; wanted {VERSION}; mine it anew")
    return card


def _files(path: Path, card: Mapping[str, Any]) -> list[tuple[str, StoredFile]]:
    try:
        return [(name, StoredFile(file["bytes"], file["sha256"])) for name, file in card["files"].items()]
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path / CARD}: damaged list of files; mine the mixture anew") from error


def _instructions(file: Path) -> dict[str, tuple[str, ...]]:
    found = {name: tuple(wordings) for name, wordings in _read_json(file).items()}
    for name, wordings in found.items():
        check_instructions(wordings, f"{file}: set {name!r}")
    return found


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file}: cannot be read ({error}); wanted the folder of a mixture that `tart data mine` wrote"
        ) from error
    if not isinstance(value, dict):
        raise DataError(f"{file}: found a {type(value).__name__}; wanted a JSON object")
    return value


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    write_synced(file, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())
