"""What every store is asked, in a process of its own; the answer is one line of JSON."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_FETCHES, _MASKS = 50, 5


class Filters(NamedTuple):
    """The same three questions in a store's own words."""

    equal: Any
    least: Any
    contains: Any


class Store(Protocol):
    """Documents with metadata and vectors on disk; made with a path, it opens what is there."""

    @staticmethod
    def write(path: Path, table: pa.Table) -> None:
        """Stores a whole corpus, closed when it returns."""

    def vectors(self) -> list[NDArray[np.float32]]:
        """All vectors as FAISS takes them."""

    def texts(self, rows: list[int]) -> list[str]:
        """The texts of some documents by row number; all their fields are read."""

    def matching(self, wanted: Any) -> int:
        """How many rows a filter allows; the rows themselves are found."""

    def append(self, table: pa.Table) -> None:
        """More documents, published when it returns."""

    def delete(self, ids: list[str]) -> None:
        """Documents by id."""

    def count(self) -> int:
        """Documents that are there."""

    def first_version(self) -> int | None:
        """Documents of the first version, opened again; None where that cannot be."""


def run(store: Any, filters: Filters, packages: tuple[str, ...]) -> None:
    """Does the step that the command line names on a `Store`: write, read, change, loop or count."""
    step, path, table = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "write": lambda: _write(store, path, table, packages),
        "read": lambda: _read(store, path, filters),
        "change": lambda: _change(store, path, table),
        "loop": lambda: _loop(store, path, table),
        "count": lambda: {"count": store(path).count()},
    }
    print(json.dumps(steps[step]()))


def _rows(file: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(file))).read_all()


def _write(store: Any, path: Path, table: Path, packages: tuple[str, ...]) -> dict[str, Any]:
    rows = _rows(table)
    started = time.perf_counter()
    store.write(path, rows)
    seconds = time.perf_counter() - started
    kept = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    installed = [file.locate() for name in packages for file in files(name) or []]
    return {
        "write_s": seconds,
        "disk_mib": sum(file.stat().st_size for file in kept) / 2**20,
        "installed_mb": sum(Path(str(file)).stat().st_size for file in installed if Path(str(file)).exists()) / 1e6,
    }


def _read(store: Any, path: Path, filters: Filters) -> dict[str, Any]:
    before = _resident_mib()
    started = time.perf_counter()
    opened = store(path)
    count = opened.count()
    open_ms = (time.perf_counter() - started) * 1_000
    opened_mib = _resident_mib() - before
    started = time.perf_counter()
    parts = opened.vectors()
    figures = {
        "open_ms": open_ms,
        "open_mib": opened_mib,
        "vectors_ms": (time.perf_counter() - started) * 1_000,
        "vectors_mib": _resident_mib() - before,
    }
    assert sum(map(len, parts)) == count
    rng = np.random.default_rng(0)
    draws = [sorted(rng.choice(count, 10, replace=False).tolist()) for _ in range(_FETCHES)]
    figures["fetch_10_ms"] = statistics.median(_ms(lambda rows=rows: opened.texts(rows)) for rows in draws)
    found = {}
    for name, wanted in filters._asdict().items():
        found[name] = opened.matching(wanted)
        figures[f"mask_{name}_ms"] = statistics.median(_ms(lambda w=wanted: opened.matching(w)) for _ in range(_MASKS))
    return {**figures, "found": found}


def _change(store: Any, path: Path, table: Path) -> dict[str, Any]:
    rows = _rows(table)
    opened = store(path)
    before = opened.count()
    append_ms = _ms(lambda: opened.append(rows))
    delete_ms = _ms(lambda: opened.delete(rows["id"].to_pylist()))
    assert opened.count() == before
    return {"append_1000_ms": append_ms, "delete_1000_ms": delete_ms, "first_version": opened.first_version() == before}


def _loop(store: Any, path: Path, table: Path) -> dict[str, Any]:
    """Appends until it is killed; says so after each that is done."""
    rows, opened = _rows(table), store(path)
    while True:
        opened.append(rows)
        print(opened.count(), flush=True)


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1_000


def _resident_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
