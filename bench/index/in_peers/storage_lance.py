"""Lance as the store; see storage_libraries.py, which runs this in an environment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from storage_worker import Filters, run

PACKAGES = ("pylance", "lance-namespace", "lance-namespace-urllib3-client")
FILTERS = Filters("kind = 'news'", "year >= 2015", "array_has(tags, 't3')")


class Store:
    """One dataset."""

    def __init__(self, path: Path) -> None:
        self._set = lance.dataset(str(path))

    @staticmethod
    def write(path: Path, table: pa.Table) -> None:
        lance.write_dataset(table, str(path))

    def vectors(self) -> list[NDArray[np.float32]]:
        column = self._set.to_table(columns=["vector"])["vector"].combine_chunks()
        flat: NDArray[np.float32] = column.values.to_numpy()
        return [flat.reshape(len(column), -1)]

    def texts(self, rows: list[int]) -> list[str]:
        found: list[str] = self._set.take(rows, columns=["id", "text", "kind", "year", "tags"])["text"].to_pylist()
        return found

    def matching(self, wanted: Any) -> int:
        # Row addresses are what a mask over the vectors would be made of.
        return int(self._set.to_table(columns=[], filter=wanted, with_row_id=True).num_rows)

    def append(self, table: pa.Table) -> None:
        self._set = lance.write_dataset(table, self._set.uri, mode="append")

    def delete(self, ids: list[str]) -> None:
        self._set.delete("id IN (" + ", ".join(f"'{one}'" for one in ids) + ")")

    def count(self) -> int:
        return int(self._set.count_rows())

    def first_version(self) -> int | None:
        return int(lance.dataset(self._set.uri, version=1).count_rows())


if __name__ == "__main__":
    run(Store, FILTERS, PACKAGES)
