"""One measurement of our own index, in a process of its own. Prints one line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
from memory import Peak, growth, resident
from vectors import PER_MILLE, import_index, write_vectors

from tart.encoder import Encoder
from tart_index.ann.choose import Wanted
from tart_index.ann.search import ApproximateSearch
from tart_index.ann.structures import make_structure
from tart_index.exact import ExactSearch, NearestRows
from tart_index.filter_mask import FilterMasks
from tart_index.filters import Comparison
from tart_index.folder import IndexFolder
from tart_index.searcher import Searcher, SearchRequest

K = 10
# Deeper than K: the recall of a tie at the end is not a matter of chance.
_TRUE = 100
_WARM_UP = 50
_FILTERS = (500, 100, 10, 1)


class Clock:
    """Seconds and most memory of each stage of making a structure; a `MakingProgress`."""

    def __init__(self) -> None:
        self.stages: list[dict[str, Any]] = []
        self._peak = Peak()
        self._started = time.perf_counter()

    def stage(self, name: str, total: int | None = None) -> None:
        """Another stage begins; `total` is not of interest here."""
        del total
        self.end_stage()
        self.stages.append({"stage": name})

    def done(self, steps: int) -> None:
        """Is not of interest here."""

    def say(self, text: str) -> None:
        """Is not of interest here."""

    def end_stage(self) -> None:
        """The last stage, if there was one, is over."""
        now = time.perf_counter()
        most = self._peak.mib()
        if self.stages:
            self.stages[-1] |= {"seconds": now - self._started, "peak_mib": most}
        self._started = now


def data(given: argparse.Namespace) -> dict[str, Any]:
    """Vectors and queries on disk."""
    write_vectors(given.folder, given.rows, given.queries, given.seed)
    return {"rows": given.rows, "queries": given.queries}


def linked(given: argparse.Namespace) -> dict[str, Any]:
    """An index of the same parts beside another, for another structure; what it shares is never written again."""
    shutil.copytree(given.source, given.index, copy_function=os.link)
    return {"parts": len(IndexFolder.open(given.index).manifest.parts)}


def imported(given: argparse.Namespace) -> dict[str, Any]:
    """An index of the first rows."""
    started = time.perf_counter()
    import_index(given.folder, given.rows, given.index, given.seed)
    return {"seconds": time.perf_counter() - started}


def truth(given: argparse.Namespace) -> dict[str, Any]:
    """Exact neighbours of the queries among the first rows."""
    folder = IndexFolder.open(given.index)
    queries = np.load(given.folder / "queries.npy")
    started = time.perf_counter()
    found = ExactSearch(folder.vectors, given.threads).search(queries, min(_TRUE, given.rows))
    np.save(given.truth, found.rows)
    return {"seconds": time.perf_counter() - started}


def tune(given: argparse.Namespace) -> dict[str, Any]:
    """Makes the structure and publishes it, as `tart index tune` does."""
    clock = Clock()
    started = time.perf_counter()
    wanted = Wanted(recall=given.recall, threads=given.threads, factory=given.structure)
    result = make_structure(given.index, wanted, progress=clock)
    clock.end_stage()
    structure = result.manifest.structure
    if structure is None:
        return {"factory": "exact", "seconds": time.perf_counter() - started, "stages": clock.stages, "bytes": 0}
    return {
        "factory": structure.factory,
        "tried": result.tried,
        "seconds": time.perf_counter() - started,
        "stages": clock.stages,
        "peak_mib": max(stage["peak_mib"] for stage in clock.stages),
        "bytes": structure.file.bytes,
        "chosen": [{"k": point.k, "effort": dict(point.effort), "recall": point.recall} for point in structure.chosen],
    }


def fit(given: argparse.Namespace) -> dict[str, Any]:
    """The smallest effort that reaches the recall on the test queries themselves, as the peers' are found."""
    folder = IndexFolder.open(given.index)
    structure = folder.manifest.structure
    if structure is None:
        return {"effort": None, "recall": 1.0}
    queries, true = np.load(given.folder / "queries.npy"), np.load(given.truth)[:, :K]
    effort = dict(structure.chosen[0].effort)
    dial = "nprobe" if "nprobe" in effort else "efSearch"
    low, high = 1 if dial == "nprobe" else K, 4 * effort[dial]
    while low < high:
        middle = (low + high) // 2
        found = _recall(_opened(folder, {**effort, dial: middle}, given.threads), queries, true)
        low, high = (low, middle) if found >= given.recall else (middle + 1, high)
    effort[dial] = high
    return {"effort": effort, "recall": _recall(_opened(folder, effort, given.threads), queries, true)}


def ask(given: argparse.Namespace) -> dict[str, Any]:
    """Queries a second on one thread, one a call and all in one call; and what memory it takes."""
    queries, true = np.load(given.folder / "queries.npy"), np.load(given.truth)[:, :K]
    effort = json.loads(given.effort) if given.effort else None
    before = resident()
    started = time.perf_counter()
    search = _opened(IndexFolder.open(given.index), effort, threads=1)
    opened = time.perf_counter() - started
    for query in queries[:_WARM_UP]:
        search.search(query[None], K)
    started = time.perf_counter()
    found = [search.search(query[None], K).rows[0] for query in queries]
    single = time.perf_counter() - started
    started = time.perf_counter()
    search.search(queries, K)
    batch = time.perf_counter() - started
    return {
        "single": len(queries) / single,
        "batch": len(queries) / batch,
        "open": opened,
        "recall": _shares(np.stack(found), true),
        "memory": growth(before),
    }


def filtered(given: argparse.Namespace) -> dict[str, Any]:
    """Recall, hits and queries a second under filters that let 50, 10, 1 and 0.1 % pass."""
    folder = IndexFolder.open(given.index)
    queries = np.load(given.folder / "queries.npy")
    masks, exact = FilterMasks(folder), ExactSearch(folder.vectors, given.threads)
    search = _opened(folder, None, threads=1)
    found = []
    for key in ("chance", "corner"):
        for passing in _FILTERS:
            allowed = masks.allowed(Comparison("lt", key, passing))
            assert allowed is not None
            true = exact.search(queries, K, allowed).rows
            search.search(queries[:1], K, allowed)
            started = time.perf_counter()
            rows = [search.search(query[None], K, allowed).rows[0] for query in queries]
            seconds = time.perf_counter() - started
            found.append(
                {
                    "filter": key,
                    "passing": passing / PER_MILLE,
                    "recall": float(
                        np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(rows, true, strict=True)])
                    ),
                    "fewest": min(map(len, rows)),
                    "possible": min(K, int(allowed.sum())),
                    "strangers": int(sum((~allowed[one]).sum() for one in rows)),
                    "per_second": len(queries) / seconds,
                }
            )
    return {"filters": found}


def opening(given: argparse.Namespace) -> dict[str, Any]:
    """Seconds and memory of opening a searcher, and of its first query, the model aside."""
    encoder = Encoder.load(threads=1)
    encoder.encode_queries(["warm up"], [""])
    before = resident()
    started = time.perf_counter()
    folder = IndexFolder.open(given.index)
    if given.exact:
        folder = IndexFolder(given.index, replace(folder.manifest, structure=None))
    searcher = Searcher(folder, encoder)
    opened = time.perf_counter()
    at_open = growth(before)
    hits = searcher.search([SearchRequest("the first question of all")])[0].hits
    answered = time.perf_counter()
    return {
        "open": opened - started,
        "memory": at_open,
        "first": answered - opened,
        "memory_then": growth(before),
        "hits": len(hits),
        "documents": len(folder),
    }


def _opened(folder: IndexFolder, effort: Mapping[str, int] | None, threads: int) -> NearestRows:
    """The search of an index, at another effort for ten neighbours where one is given."""
    structure = folder.manifest.structure
    if structure is None:
        return ExactSearch(folder.vectors, threads)
    if effort is None:
        return ApproximateSearch(folder, threads)
    first, *others = structure.chosen
    changed = replace(structure, chosen=(replace(first, effort=dict(effort)), *others))
    return ApproximateSearch(IndexFolder(folder.path, replace(folder.manifest, structure=changed)), threads)


def _recall(search: NearestRows, queries: NDArray[np.float32], true: NDArray[np.int64]) -> float:
    return _shares(search.search(queries, K).rows, true)


def _shares(found: NDArray[np.int64], true: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(got, wanted)) / K for got, wanted in zip(found, true, strict=True)]))


STEPS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "data": data,
    "import": imported,
    "link": linked,
    "truth": truth,
    "tune": tune,
    "fit": fit,
    "ask": ask,
    "filters": filtered,
    "open": opening,
}


def main() -> None:
    """One step, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=list(STEPS))
    parser.add_argument("--folder", type=Path, required=True, help="of vectors and queries")
    parser.add_argument("--index", type=Path)
    parser.add_argument("--source", type=Path, help="of link: the other index")
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--structure")
    parser.add_argument("--effort", default="", help="JSON")
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(json.dumps(STEPS[given.step](given)))


if __name__ == "__main__":
    main()
