"""Build, tune and ask one graph index: hnswlib's, usearch's or FAISS's. Runs in that peer's environment.

Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from memory import Peak, growth, resident

LINKS = 32
K = 10
_ADDED = 50_000
_WARM_UP = 50
_MOST_EFFORT = 4_096


class Graph(Protocol):
    """What the three have in common."""

    def add(self, vectors: Any, threads: int) -> None:
        """Takes more vectors, numbered on."""

    def save(self, file: str) -> None:
        """Writes the index."""

    def effort(self, ef: int) -> None:
        """Sets how hard the next queries are searched."""

    def ask(self, queries: Any) -> Any:
        """Rows of the nearest. Shape: (len(queries), K), int64."""


class Hnswlib:
    """The graph of hnswlib, of inner products."""

    def __init__(self, dim: int, rows: int, ef_construction: int, file: str | None) -> None:
        import hnswlib

        self._index = hnswlib.Index(space="ip", dim=dim)
        if file is not None:
            self._index.load_index(file, max_elements=rows)
        else:
            self._index.init_index(max_elements=rows, M=LINKS, ef_construction=ef_construction)
        self._index.set_num_threads(1)

    def add(self, vectors: Any, threads: int) -> None:
        """Takes more vectors, numbered on."""
        self._index.add_items(vectors, num_threads=threads)

    def save(self, file: str) -> None:
        """Writes the index."""
        self._index.save_index(file)

    def effort(self, ef: int) -> None:
        """Sets how hard the next queries are searched."""
        self._index.set_ef(ef)

    def ask(self, queries: Any) -> Any:
        """Rows of the nearest."""
        return self._index.knn_query(queries, k=K, num_threads=1)[0]


class Usearch:
    """The graph of usearch, of inner products in single precision."""

    def __init__(self, dim: int, rows: int, ef_construction: int, file: str | None) -> None:
        from usearch.index import Index

        self._index = Index(
            ndim=dim, metric="ip", dtype="f32", connectivity=LINKS, expansion_add=ef_construction, expansion_search=64
        )
        self._rows = 0
        if file is not None:
            self._index.load(file)

    def add(self, vectors: Any, threads: int) -> None:
        """Takes more vectors, numbered on."""
        keys = np.arange(self._rows, self._rows + len(vectors), dtype=np.uint64)
        self._index.add(keys, vectors, threads=threads, copy=True)
        self._rows += len(vectors)

    def save(self, file: str) -> None:
        """Writes the index."""
        self._index.save(file)

    def effort(self, ef: int) -> None:
        """Sets how hard the next queries are searched."""
        self._index.expansion_search = ef

    def ask(self, queries: Any) -> Any:
        """Rows of the nearest."""
        # One query alone comes back without the axis of the queries.
        return np.asarray(self._index.search(queries, K, threads=1).keys).reshape(len(queries), K).astype(np.int64)


class Faiss:
    """FAISS's HNSW32,Flat."""

    def __init__(self, dim: int, rows: int, ef_construction: int, file: str | None) -> None:
        import faiss

        self._faiss = faiss
        if file is not None:
            self._index = faiss.read_index(file)
        else:
            self._index = faiss.index_factory(dim, f"HNSW{LINKS},Flat", faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = ef_construction
        faiss.omp_set_num_threads(1)

    def add(self, vectors: Any, threads: int) -> None:
        """Takes more vectors, numbered on."""
        self._faiss.omp_set_num_threads(threads)
        self._index.add(vectors)

    def save(self, file: str) -> None:
        """Writes the index."""
        self._faiss.write_index(self._index, file)

    def effort(self, ef: int) -> None:
        """Sets how hard the next queries are searched."""
        self._index.hnsw.efSearch = ef

    def ask(self, queries: Any) -> Any:
        """Rows of the nearest."""
        return self._index.search(queries, K)[1]


_GRAPHS: dict[str, Any] = {"hnswlib": Hnswlib, "usearch": Usearch, "faiss": Faiss}


def build(given: argparse.Namespace) -> dict[str, Any]:
    """Adds all vectors; seconds, and the most memory on the way."""
    vectors = np.load(given.folder / "vectors.npy", mmap_mode="r")[: given.rows]
    peak = Peak()
    started = time.perf_counter()
    graph: Graph = _GRAPHS[given.peer](vectors.shape[1], given.rows, given.ef_construction, None)
    for at in range(0, len(vectors), _ADDED):
        graph.add(np.ascontiguousarray(vectors[at : at + _ADDED]), given.threads)
    seconds = time.perf_counter() - started
    most = peak.mib()
    peak.end()
    new = f"{given.index}.new"
    graph.save(new)
    Path(new).replace(given.index)
    return {"seconds": seconds, "peak_mib": most, "bytes": given.index.stat().st_size}


def tune(given: argparse.Namespace) -> dict[str, Any]:
    """The smallest effort that reaches the recall on these very queries."""
    graph, queries, truth = _opened(given)
    low, high = K, K
    while _recall(graph, queries, truth, high) < given.recall:
        if high >= _MOST_EFFORT:
            return {"effort": high, "recall": _recall(graph, queries, truth, high)}
        low, high = high + 1, high * 2
    while low < high:
        middle = (low + high) // 2
        if _recall(graph, queries, truth, middle) >= given.recall:
            high = middle
        else:
            low = middle + 1
    return {"effort": high, "recall": _recall(graph, queries, truth, high)}


def ask(given: argparse.Namespace) -> dict[str, Any]:
    """Queries a second on one thread, one a call and all in one call; and what memory the index takes."""
    before = resident()
    started = time.perf_counter()
    graph, queries, truth = _opened(given)
    opened = time.perf_counter() - started
    graph.effort(given.effort)
    for query in queries[:_WARM_UP]:
        graph.ask(query[None])
    started = time.perf_counter()
    found = [graph.ask(query[None])[0] for query in queries]
    single = time.perf_counter() - started
    started = time.perf_counter()
    graph.ask(queries)
    batch = time.perf_counter() - started
    return {
        "single": len(queries) / single,
        "batch": len(queries) / batch,
        "open": opened,
        "recall": _shares(np.stack(found), truth),
        "memory": growth(before),
    }


def _opened(given: argparse.Namespace) -> tuple[Graph, Any, Any]:
    queries = np.load(given.folder / "queries.npy")
    truth = np.load(given.truth)[:, :K]
    graph: Graph = _GRAPHS[given.peer](queries.shape[1], given.rows, given.ef_construction, str(given.index))
    return graph, queries, truth


def _recall(graph: Graph, queries: Any, truth: Any, effort: int) -> float:
    graph.effort(effort)
    return _shares(graph.ask(queries), truth)


def _shares(found: Any, truth: Any) -> float:
    return float(np.mean([len(np.intersect1d(got, true)) / K for got, true in zip(found, truth, strict=True)]))


def main() -> None:
    """One step, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["build", "tune", "ask"])
    parser.add_argument("peer", choices=sorted(_GRAPHS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ef-construction", type=int, default=80)
    parser.add_argument("--effort", type=int, default=64)
    parser.add_argument("--recall", type=float, default=0.95)
    given = parser.parse_args()
    print(json.dumps({"build": build, "tune": tune, "ask": ask}[given.step](given)))


if __name__ == "__main__":
    main()
