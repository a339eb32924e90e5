"""The rows of a pool by number, wherever they lie: spooled to disk, in memory, or in an index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart_index.files import writing
from tart_index.folder import IndexFolder
from tart_index.selection.examples import Example, example_from_row
from tart_index.selection.fields import ExampleFields
from tart_index.selection.layouts import RowLayout
from tart_index.selection.sources import row_json

_TASKS = ("task", "task_name", "dataset")
_TARGETS = ("target", "targets", "output", "completion")


class ExampleStore(Protocol):
    """Examples by the number of their row, from 0; there may be more of them than `len` could tell."""

    def __getitem__(self, row: int, /) -> Example: ...

    def close(self) -> None:
        """Lets go of files."""


class SpooledExamples:
    """Rows in a file of JSON lines, each found by its offset. Make one with `spool`."""

    def __init__(self, file: Path, offsets: NDArray[np.int64], layout: RowLayout) -> None:
        self._file = file.open("rb")
        self._offsets = offsets
        self._layout = layout

    def __getitem__(self, row: int) -> Example:
        self._file.seek(int(self._offsets[row]))
        return example_from_row(json.loads(self._file.readline()), self._layout, row)

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()


class Spool:
    """Writes rows to a file so that any of them can be read again; memory holds eight bytes a row."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offsets: list[NDArray[np.int64]] = []

    def take(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Passes examples on, their rows written.

        Raises:
            IndexFolderError: The disk is full or refuses.
            SourceError: A row holds something that JSON cannot.
        """
        fresh: list[int] = []
        place = 0
        with writing(self._file), self._file.open("wb") as stream:
            for example in examples:
                fresh.append(place)
                place += stream.write(row_json(example.values).encode() + b"\n")
                if len(fresh) == 1 << 16:
                    self._offsets.append(np.array(fresh, np.int64))
                    fresh.clear()
                yield example
        self._offsets.append(np.array(fresh, np.int64))

    def examples(self, layout: RowLayout) -> SpooledExamples:
        """What was written, by row."""
        return SpooledExamples(self._file, np.concatenate(self._offsets), layout)


class KeptExamples:
    """Rows in memory, or in a `datasets` object."""

    def __init__(self, rows: Sequence[Any], layout: RowLayout) -> None:
        self._rows = rows
        self._layout = layout

    def __getitem__(self, row: int) -> Example:
        values = self._rows[row]
        return example_from_row({"text": values} if isinstance(values, str) else values, self._layout, row)

    def close(self) -> None:
        """Has no file."""


class IndexExamples:
    """Documents of an index: the text is the input; task and target are metadata.

    Args:
        folder: The index.
        rows: Shape: (n_rows,): the stored row of each row of the pool; None where none is deleted.
        fields: Names of metadata keys, where they are not the usual ones.
    """

    def __init__(self, folder: IndexFolder, rows: NDArray[np.int64] | None, fields: ExampleFields) -> None:
        self._folder = folder
        self._rows = rows
        self._fields = fields

    def __getitem__(self, row: int) -> Example:
        return self.example(self._folder.document(row if self._rows is None else int(self._rows[row])))

    def example(self, document: Document) -> Example:
        """The example that a document is."""
        named = {"id": document.id, "title": document.title, "text": document.text}
        values = {**{name: value for name, value in named.items() if value}, **document.metadata}
        text = f"{document.title}\n{document.text}" if document.title.strip() else document.text
        target = next((document.metadata[name] for name in self._target_names() if name in document.metadata), None)
        return Example(document.id, text, None if target is None else str(target), self.task(document.metadata), values)

    def task(self, metadata: Mapping[str, Any]) -> str | None:
        """The task that metadata name."""
        names = (self._fields.task,) if self._fields.task else _TASKS
        value = next((metadata[name] for name in names if metadata.get(name) is not None), None)
        return None if value is None else str(value)

    def close(self) -> None:
        """The index is memory-mapped."""

    def _target_names(self) -> tuple[str, ...]:
        return self._fields.target or _TARGETS
