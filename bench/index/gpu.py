"""FAISS and encoding on this machine's GPUs: are the answers the CPU's, and how much faster do they come?

Needs a GPU and the extra `gpu`. It ends with 1 where an answer differs by more than rounding explains.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart import Document, Encoder
from tart.encoder import batched
from tart.engines.hardware import available_cpus
from tart.spread import spread
from tart_index import gpus as gpus_module
from tart_index.ann.gpu_making import ListAssignment, train_on
from tart_index.ann.making import parse
from tart_index.exact import ExactSearch, import_faiss
from tart_index.gpus import GpuExactSearch, Gpus, Placement

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import Spread, table, write

_PART = 4_096
# GPUs add up in another order: neighbours whose scores differ by rounding may change places.
_SAME_NEIGHBOURS, _SAME_SCORE, _SAME_DIRECTION, _WORSE_OBJECTIVE = 0.99, 1e-4, 0.999, 0.002


def clustered(rows: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors around a thousand centres, as those of texts are."""
    centres = np.random.default_rng(99).standard_normal((1_000, dim), dtype=np.float32)
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(1_000, size=rows)] + 0.7 * rng.standard_normal((rows, dim), dtype=np.float32)
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def timed(work: Callable[[], Any], rounds: int) -> tuple[Any, Spread]:
    """The outcome and seconds of some work, done once before it is timed."""
    outcome, seconds = work(), []
    for _ in range(rounds):
        started = time.perf_counter()
        outcome = work()
        seconds.append(time.perf_counter() - started)
    return outcome, Spread.of(seconds)


def objective(index: Any, vectors: NDArray[np.float32]) -> float:
    """What k-means makes large here: the mean inner product of a vector with its centroid."""
    quantiser = import_faiss().extract_index_ivf(index).quantizer
    return float(quantiser.search(vectors, 1)[0].mean())


def kmeans(sample: NDArray[np.float32], factory: str, gpus: Gpus, rounds: int) -> tuple[float, Spread]:
    """The objective of a training, and its seconds."""

    def train() -> Any:
        index = parse(factory, sample.shape[1])
        if gpus.numbers:
            return train_on(gpus, index, sample)
        index.train(sample)
        return index

    index, seconds = timed(train, rounds)
    return objective(index, sample), seconds


def adding(trained: Any, vectors: NDArray[np.float32], gpus: Gpus, rounds: int) -> tuple[Any, Spread]:
    """A filled copy of a trained index, and the seconds to fill it part by part."""
    faiss = import_faiss()

    def add() -> Any:
        index = faiss.clone_index(trained)
        into = ListAssignment(gpus, index).add if gpus.numbers else index.add
        for start in range(0, len(vectors), _PART):
            into(vectors[start : start + _PART])
        return index

    return timed(add, rounds)


def same_neighbours(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    """Share of neighbours that two searches have in common."""
    k = wanted.shape[1]
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(found, wanted, strict=True)]))


def exact(parts: list[NDArray[np.float32]], queries: NDArray[np.float32], k: int, gpus: Gpus, rounds: int) -> Any:
    """Neighbours and seconds; a GPU that fails is not hidden by the CPU."""
    if not gpus.numbers:
        return timed(lambda: ExactSearch(parts, available_cpus()).search(queries, k), rounds)
    placement = Placement(gpus)
    outcome = timed(lambda: GpuExactSearch(parts, available_cpus(), placement).search(queries, k), rounds)
    if placement.used["exact search"] != str(gpus):
        raise RuntimeError(f"{gpus} failed an exact search of {len(queries)} queries; see GpuExactSearch")
    return outcome


def encoding(documents: list[Document], devices: list[str], rounds: int) -> tuple[NDArray[np.float32], Spread]:
    """Vectors, and the seconds to embed documents part by part."""
    with encoder_on(devices) as encoder:

        def embed() -> NDArray[np.float32]:
            pending = [encoder.submit(encoder.tokenize_documents(part)) for part in batched(documents, _PART)]
            return np.concatenate([one.result() for one in pending])

        found: tuple[NDArray[np.float32], Spread] = timed(embed, rounds)
        return found


@contextmanager
def encoder_on(devices: list[str]) -> Iterator[Encoder]:
    """One device in this process, several in processes of their own."""
    if len(devices) == 1:
        yield Encoder.load(device=devices[0])
        return
    with spread("tart-dual", devices) as encoder:
        yield encoder


class Comparison:
    """What was measured and what differed.

    Attributes:
        rows: Of the report's table.
        faults: Answers that are not the CPU's.
        figures: Seconds and agreement by task and device.
    """

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.faults: list[str] = []
        self.figures: dict[str, dict[str, Any]] = {}

    def tell(
        self, task: str, where: str, work: float, seconds: Spread, agreement: str = "", fault: bool = False
    ) -> None:
        """One line; the first of a task is what the others are compared with."""
        known = self.figures.setdefault(task, {})
        known[where] = {"seconds": seconds._asdict(), "agreement": agreement}
        first = next(iter(known.values()))["seconds"]["median"]
        times = f"{first / seconds.median:.2f}"
        self.rows.append([task, where, f"{work / seconds.median:,.0f}", times, agreement])
        if fault:
            self.faults.append(f"{task} on {where}: {agreement}")


def compare_kmeans(told: Comparison, sample: NDArray[np.float32], factory: str, sets: list[Gpus], rounds: int) -> None:
    cpu, seconds = kmeans(sample, factory, Gpus(), 1)
    told.tell("k-means, vectors/s", "cpu", len(sample), seconds, f"objective {cpu:.5f}")
    for gpus in sets:
        value, seconds = kmeans(sample, factory, gpus, rounds)
        worse = value < cpu - _WORSE_OBJECTIVE
        told.tell("k-means, vectors/s", str(gpus), len(sample), seconds, f"objective {value:.5f}", worse)


def compare_adding(
    told: Comparison,
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    trained: Any,
    sets: list[Gpus],
    rounds: int,
) -> None:
    """Fills the same trained index by CPU and by GPUs; the indexes must find the same."""
    fast_scan = isinstance(import_faiss().downcast_index(trained), import_faiss().IndexIVFFastScan)
    task = f"adding {'fast-scan' if fast_scan else 'SQ8'} codes, vectors/s"
    filled, seconds = adding(trained, vectors, Gpus(), 1)
    told.tell(task, "cpu", len(vectors), seconds)
    found_by_cpu = filled.search(queries, 10)[1]
    for gpus in sets:
        index, seconds = adding(trained, vectors, gpus, rounds)
        share = same_neighbours(index.search(queries, 10)[1], found_by_cpu)
        fault = index.ntotal != len(vectors) or share < _SAME_NEIGHBOURS
        told.tell(task, str(gpus), len(vectors), seconds, f"{share:.4f} the same", fault)


def compare_exact(
    told: Comparison,
    parts: list[NDArray[np.float32]],
    queries: NDArray[np.float32],
    k: int,
    sets: list[Gpus],
    rounds: int,
) -> None:
    task = f"exact search, {len(queries)} at once, k {k:,}, queries/s"
    cpu, seconds = exact(parts, queries, k, Gpus(), 1)
    told.tell(task, "cpu", len(queries), seconds)
    for gpus in sets:
        found, seconds = exact(parts, queries, k, gpus, rounds)
        share, far = same_neighbours(found.rows, cpu.rows), float(np.abs(found.scores - cpu.scores).max())
        agreement = f"{share:.5f} the same, scores within {far:.1e}"
        told.tell(task, str(gpus), len(queries), seconds, agreement, share < _SAME_NEIGHBOURS or far > _SAME_SCORE)


def compare_encoding(told: Comparison, count: int, sets: list[Gpus], rounds: int) -> None:
    texts = ["words and more " * (number % 20) for number in range(count)]
    documents = [Document(str(number), f"document {number} tells of {text}") for number, text in enumerate(texts)]
    one: NDArray[np.float32] | None = None
    for gpus in sets:
        found, seconds = encoding(documents, str(gpus).split(","), rounds)
        one = found if one is None else one
        agreement = "the same bytes" if np.array_equal(found, one) else "other bytes"
        differs = float((found * one).sum(axis=1).min()) < _SAME_DIRECTION
        told.tell("encoding, documents/s", str(gpus), count, seconds, agreement, differs)


def compare(arguments: argparse.Namespace, sets: list[Gpus]) -> Comparison:
    """Everything, on every number of GPUs."""
    rounds, dim, lists = arguments.rounds, arguments.dim, arguments.lists
    vectors, queries = clustered(arguments.rows, dim, 0), clustered(1_024, dim, 1)
    sample = vectors[: lists * 64]
    told = Comparison()
    import_faiss().omp_set_num_threads(available_cpus())
    compare_kmeans(told, sample, f"IVF{lists},SQ8", sets, rounds)
    for factory in (f"IVF{lists},PQ{dim // 4}x4fs", f"IVF{lists},SQ8"):
        trained = train_on(sets[0], parse(factory, dim), sample)
        compare_adding(told, vectors, queries, trained, sets, rounds)
    parts = [vectors[start : start + _PART] for start in range(0, len(vectors), _PART)]
    for asked, k in ((1, 10), (32, 10), (256, 10), (400, 1_001), (1_024, 100)):
        compare_exact(told, parts, queries[:asked], k, sets, rounds)
    compare_encoding(told, arguments.documents, sets, rounds)
    return told


def main() -> None:
    """Compares and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--lists", type=int, default=4_096)
    parser.add_argument("--documents", type=int, default=65_536)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the report")
    arguments = parser.parse_args()
    every = Gpus.choose().numbers
    if not every:
        sys.exit("FAISS sees no GPU (see tart doctor); this benchmark compares GPUs with the CPU")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sets = [Gpus(every[:count]) for count in range(1, len(every) + 1)]
    # Few queries are the CPU's by a rule that this is to check: here all are the GPUs'.
    gpus_module._WORTH_CROSSING = 1
    told = compare(arguments, sets)
    verdict = "\n".join(f"- {fault}" for fault in told.faults) or "Every answer agrees with the CPU's."
    about = (
        f"{arguments.rows:,} clustered vectors of {arguments.dim}; {available_cpus()} CPU threads; medians of "
        f"{arguments.rounds} rounds (the CPU: one), each after one to warm up. "
        "The last but one column is the speed in times of the task's first line: the CPU, or one GPU for encoding."
    )
    shown = table(["task", "where", "speed", "times the first", "agreement"], told.rows)
    figures = {"tasks": told.figures, "faults": told.faults}
    write(arguments.out, "GPUs", f"{about}\n\n{verdict}\n\n{shown}", figures, "gpu")
    sys.exit(1 if told.faults else 0)


if __name__ == "__main__":
    main()
