"""DuckDB as the store; see storage_libraries.py, which runs this in an environment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from storage_worker import Filters, run

PACKAGES = ("duckdb",)
FILTERS = Filters("kind = 'news'", "year >= 2015", "list_contains(tags, 't3')")


class Store:
    """One table in one file."""

    def __init__(self, path: Path) -> None:
        self._base = duckdb.connect(str(path))

    @staticmethod
    def write(path: Path, table: pa.Table) -> None:
        with duckdb.connect(str(path)) as base:
            base.register("rows_in", table)
            width = table["vector"].type.list_size
            base.execute(f"CREATE TABLE docs AS SELECT * REPLACE (vector::FLOAT[{width}] AS vector) FROM rows_in")

    def vectors(self) -> list[NDArray[np.float32]]:
        column = self._base.execute("SELECT vector FROM docs").to_arrow_table()["vector"].combine_chunks()
        flat: NDArray[np.float32] = column.values.to_numpy()
        return [flat.reshape(len(column), -1)]

    def texts(self, rows: list[int]) -> list[str]:
        wanted = ", ".join(map(str, rows))
        query = f"SELECT id, text, kind, year, tags FROM docs WHERE rowid IN ({wanted})"
        return [row[1] for row in self._base.execute(query).fetchall()]

    def matching(self, wanted: Any) -> int:
        return len(self._base.execute(f"SELECT rowid FROM docs WHERE {wanted}").fetchnumpy()["rowid"])

    def append(self, table: pa.Table) -> None:
        self._base.register("rows_in", table)
        self._base.execute("INSERT INTO docs SELECT * FROM rows_in")

    def delete(self, ids: list[str]) -> None:
        self._base.execute("DELETE FROM docs WHERE id IN (SELECT unnest(?))", [ids])

    def count(self) -> int:
        return int(self._base.execute("SELECT count(*) FROM docs").fetchall()[0][0])

    def first_version(self) -> int | None:
        return None


if __name__ == "__main__":
    run(Store, FILTERS, PACKAGES)
