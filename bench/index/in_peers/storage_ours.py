"""An index folder as the store: Arrow, NumPy and a manifest; see storage_libraries.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from storage_worker import Filters, run

from tart.documents import Document
from tart.formats import PRESETS
from tart_index.changes import delete_documents
from tart_index.filter_mask import filter_mask
from tart_index.filters import parse_filter
from tart_index.folder import IndexFolder
from tart_index.manifest import Manifest, StoredModel
from tart_index.parts import PART_SIZE
from tart_index.versions import read_version
from tart_index.writer import IndexWriter

PACKAGES = ()
FILTERS = Filters(
    parse_filter({"type": "eq", "key": "kind", "value": "news"}),
    parse_filter({"type": "gte", "key": "year", "value": 2015}),
    parse_filter({"type": "eq", "key": "tags", "value": "t3"}),
)


class Store:
    """One index folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = IndexFolder.open(path)

    @staticmethod
    def write(path: Path, table: pa.Table) -> None:
        _publish(path, table)

    def vectors(self) -> list[NDArray[np.float32]]:
        return list(self._folder.vectors)

    def texts(self, rows: list[int]) -> list[str]:
        return [self._folder.document(row).text for row in rows]

    def matching(self, wanted: Any) -> int:
        return int(filter_mask(self._folder, wanted).sum())

    def append(self, table: pa.Table) -> None:
        _publish(self._path, table)
        self._folder = IndexFolder.open(self._path)

    def delete(self, ids: list[str]) -> None:
        delete_documents(self._path, ids)
        self._folder = IndexFolder.open(self._path)

    def count(self) -> int:
        return len(self._folder)

    def first_version(self) -> int | None:
        return IndexFolder(self._path, read_version(self._path, 1)).manifest.count


def _publish(path: Path, table: pa.Table) -> None:
    """Writes parts and one version, as a build does, without a model."""
    with IndexWriter.lock(path) as writer:
        before = writer.published()
        parts = list(before.parts) if before else []
        first = before.rows if before else 0
        for start in range(0, table.num_rows, PART_SIZE):
            block = table.slice(start, PART_SIZE).combine_chunks()
            vectors = block["vector"].combine_chunks().flatten().to_numpy().reshape(block.num_rows, -1)
            rows = block.drop_columns(["vector"]).to_pylist()
            documents = [Document(row.pop("id"), row.pop("text"), "", row) for row in rows]
            parts.append(
                writer.write_part(f"{first + start:032x}", documents, vectors, np.zeros(block.num_rows, np.bool_))
            )
        version = before.version + 1 if before else 1
        model = StoredModel("made up", "sha256:" + "0" * 64, "float32", 256)
        writer.publish(
            Manifest(
                version, "2026-01-01", "bench", vectors.shape[1], model, PRESETS["plain"], tuple(parts),
                deletions=before.deletions if before else {},
            ),
            keep=1_000,
        )  # fmt: skip


if __name__ == "__main__":
    run(Store, FILTERS, PACKAGES)
