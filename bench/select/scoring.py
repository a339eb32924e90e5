"""Exact scoring of a pool: time and peak memory against FAISS's flat search and the index that DEFT used.

Every measurement is a process of its own, so that its peak memory is its own. The pool is synthetic: unit vectors
around centres, written to disk as parts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tart.engines import Hardware
from tart_index.selection.best_target import BestTarget
from tart_index.selection.scoring import score_pool
from tart_index.selection.top_k import TopK
from tart_index.selection.vectors import PoolVectors

sys.path.insert(0, str(Path(__file__).parents[1]))
from background import Background
from reporting import Spread, table, write

# By rows of the pool and name of the measurement: one mapping of figures a round.
Found: TypeAlias = dict[int, dict[str, list[dict[str, Any]]]]
DIM = 384
CENTRES = 1_000
PART = 65_536
DEFT_INDEX = "OPQ8_512,HNSW512,PQ8"
# What DEFT's authors report: 102.9 million rows took about 424 GB, nearly all of it links of the graph.
DEFT_ROWS = 102_900_000


def unit_vectors(rng: np.random.Generator, centres: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """Rows around centres. Shape: (rows, DIM), float32, unit rows."""
    vectors = centres[rng.integers(0, len(centres), rows)] + rng.standard_normal((rows, DIM), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_pool(folder: Path, rows: int, targets: int) -> None:
    """Parts of a pool and the targets."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CENTRES, DIM), dtype=np.float32)
    for number, start in enumerate(range(0, rows, PART)):
        np.save(folder / f"part-{number:05}.npy", unit_vectors(rng, centres, min(PART, rows - start)))
    np.save(folder / "targets.npy", unit_vectors(rng, centres, targets))


def parts_of(folder: Path) -> list[NDArray[np.float32]]:
    """The parts, memory-mapped."""
    return [np.load(file, mmap_mode="r") for file in sorted(folder.glob("part-*.npy"))]


def ours(folder: Path, k: int, best: bool) -> dict[str, Any]:
    """Streams the parts from disk; top k of each target, or the best target of each row."""
    vectors = PoolVectors(parts_of(folder))
    targets = np.load(folder / "targets.npy")
    places = np.arange(len(vectors), dtype=np.uint32)
    started = time.perf_counter()
    scores: TopK | BestTarget = BestTarget(len(vectors)) if best else TopK(len(targets), k, places)
    score_pool(vectors, targets, scores, Hardware.choose("cpu", "float32"))
    found = scores.scores if isinstance(scores, BestTarget) else scores.neighbours(np.arange(len(vectors))).scores
    return {"seconds": time.perf_counter() - started, "sum": float(found.sum(dtype=np.float64))}


def flat(folder: Path, k: int, knn: bool) -> dict[str, Any]:
    """FAISS with the whole pool in memory: `IndexFlatIP.search`, or `faiss.knn` without an index."""
    import faiss

    faiss.omp_set_num_threads(Hardware.choose("cpu", "float32").threads)
    parts = parts_of(folder)
    targets = np.load(folder / "targets.npy")
    started = time.perf_counter()
    if knn:
        pool = np.concatenate(parts)
        loaded = time.perf_counter()
        scores, _ = faiss.knn(targets, pool, k, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.IndexFlatIP(DIM)
        for part in parts:
            index.add(np.ascontiguousarray(part))
        loaded = time.perf_counter()
        scores, _ = index.search(targets, k)
    ended = time.perf_counter()
    return {"seconds": ended - loaded, "load": loaded - started, "sum": float(scores.sum(dtype=np.float64))}


def deft_index(folder: Path, k: int, rows: int) -> dict[str, Any]:
    """Builds DEFT's structure over the first rows and searches it; recall against exact search."""
    import faiss

    faiss.omp_set_num_threads(Hardware.choose("cpu", "float32").threads)
    pool = np.concatenate(parts_of(folder))[:rows]
    targets = np.load(folder / "targets.npy")
    started = time.perf_counter()
    index = faiss.index_factory(DIM, DEFT_INDEX, faiss.METRIC_INNER_PRODUCT)
    index.train(pool)
    index.add(pool)
    built = time.perf_counter()
    faiss.downcast_index(index.index).hnsw.efSearch = 2 * k
    _, found = index.search(targets, k)
    searched = time.perf_counter()
    _, exact = faiss.knn(targets, pool, k, metric=faiss.METRIC_INNER_PRODUCT)
    recall = np.mean([np.isin(row, got).mean() for row, got in zip(exact, found, strict=True)])
    faiss.write_index(index, str(folder / "deft.faiss"))
    size = (folder / "deft.faiss").stat().st_size
    return {"build": built - started, "seconds": searched - built, "recall": float(recall), "bytes": size}


def measure(name: str, folder: Path, k: int, rows: int) -> dict[str, Any]:
    """One measurement, with this process's peak memory."""
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "top k": lambda: ours(folder, k, best=False),
        "best target": lambda: ours(folder, k, best=True),
        "IndexFlatIP": lambda: flat(folder, k, knn=False),
        "faiss.knn": lambda: flat(folder, k, knn=True),
        "DEFT's index": lambda: deft_index(folder, k, rows),
    }
    with PeakOwnMemory() as peak:
        figures = work[name]()
    return {**figures, "peak_mib": peak.mib}


class PeakOwnMemory(Background):
    """The most memory that was this process's alone, looked at a hundred times a second.

    Pages of mapped files, which the system may drop, are not counted: their peak is not told apart from this one by
    the system's own record, which holds the sum.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mib = 0.0

    def work(self, number: int) -> None:
        """Looks until the block ends."""
        while True:
            found = re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())
            self.mib = max(self.mib, int(found[1]) / 1_024 if found else math.nan)
            if self.ended.wait(0.01):
                return


def in_a_process(name: str, folder: Path, k: int, rows: int) -> dict[str, Any]:
    """Runs a measurement in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, "--folder", str(folder), "--k", str(k), "--deft", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rounds_of(names: Sequence[str], folder: Path, k: int, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """All measurements in turn, after one pass that brings the parts into the page cache."""
    in_a_process(names[0], folder, k, 0)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(in_a_process(name, folder, k, 0))
    return found


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 1_000_000], help="pools; the last is compared")
    parser.add_argument("--targets", type=int, default=1_000)
    parser.add_argument("--k", type=int, default=500)
    parser.add_argument("--deft", type=int, default=20_000, help="rows of DEFT's index; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="scoring", help="of the report")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.folder, given.k, given.deft)))
        return
    names = ("top k", "best target", "IndexFlatIP", "faiss.knn")
    found: Found = {}
    deft: dict[str, Any] = {}
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as name:
            write_pool(Path(name), rows, given.targets)
            found[rows] = rounds_of(names, Path(name), given.k, given.rounds)
            if rows == given.rows[-1] and given.deft:
                deft = in_a_process("DEFT's index", Path(name), given.k, min(given.deft, rows))
    report(given, found, deft)


def report(given: argparse.Namespace, found: Found, deft: dict[str, Any]) -> None:
    """Writes Markdown and JSON."""
    largest = given.rows[-1]
    lines = []
    for rows, by_name in found.items():
        flat_seconds = Spread.of([one["seconds"] for one in by_name["IndexFlatIP"]]).median
        for name, runs in by_name.items():
            seconds = Spread.of([one["seconds"] for one in runs])
            peak = Spread.of([one["peak_mib"] for one in runs])
            share = seconds.median / flat_seconds
            lines.append([f"{rows:,} rows: {name}", f"{seconds:.2f}", f"{share:.2f}", f"{peak.median:,.0f}"])
    sums = {name: runs[0]["sum"] for name, runs in found[largest].items() if name != "best target"}
    exact = max(sums.values()) - min(sums.values()) < 1e-6 * abs(max(sums.values()))
    body = (
        f"{given.targets:,} targets, top {given.k}, vectors of {DIM} float32 around {CENTRES:,} centres, "
        f"{given.rounds} rounds in turn, every measurement in a process of its own. TART's times include reading the "
        "parts from disk (the page cache holds them); FAISS's do not include bringing the pool into memory. Peak "
        "memory is the process's own, without pages of mapped files.\n\n"
        + table(["", "seconds", "of IndexFlatIP", "peak MiB"], lines)
        + f"\n\nThe sums of all {given.targets * given.k:,} scores agree to a millionth: {'yes' if exact else 'NO'}."
    )
    if deft:
        body += "\n\n" + deft_text(given, found, deft)
    figures = {"found": {str(rows): by_name for rows, by_name in found.items()}, "deft": deft, "exact": exact}
    write(Path(__file__).parent, "Scoring a pool exactly", body, figures, given.name)


def deft_text(given: argparse.Namespace, found: Found, deft: dict[str, Any]) -> str:
    """What DEFT's index costs, and what that would be for larger pools."""
    rows = min(given.deft, given.rows[-1])
    exact = Spread.of([one["seconds"] for one in found[given.rows[-1]]["top k"]]).median / given.rows[-1]
    a_row = deft["bytes"] / rows
    lines = [
        ["build, s", f"{deft['build']:.1f}", "0"],
        [f"search of {given.targets:,} targets, s", f"{deft['seconds']:.2f}", f"{exact * rows:.2f}"],
        [f"recall of the {given.k} nearest", f"{deft['recall']:.3f}", "1"],
        ["bytes a row", f"{a_row:,.0f}", f"{DIM * 4:,} (on disk)"],
        ["extrapolated: 1M rows, build, h", f"{deft['build'] / rows * 1e6 / 3_600:.2f}", "0"],
        [
            f"extrapolated: {DEFT_ROWS / 1e6:.1f}M rows, memory, GB",
            f"{a_row * DEFT_ROWS / 1e9:,.0f}",
            "bounded by a part",
        ],
        [f"extrapolated: {DEFT_ROWS / 1e6:.1f}M rows, scoring, min", "-", f"{exact * DEFT_ROWS / 60:,.0f}"],
    ]
    return (
        f"## Against DEFT's index\n\n`{DEFT_INDEX}`, built and searched (efSearch {2 * given.k}) over {rows:,} rows. "
        "Extrapolations are linear in the rows, which flatters the graph: its build grows faster than that. The exact "
        "column is TART's top k, scaled from the largest pool above.\n\n" + table(["", DEFT_INDEX, "exact"], lines)
    )


if __name__ == "__main__":
    main()
