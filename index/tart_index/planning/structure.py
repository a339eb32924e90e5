"""What the making and tuning of a search structure takes: by its factory string, and by trying its steps in small."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tart_index.ann.choose import Wanted, estimated_bytes, factories, sample_size
from tart_index.ann.effort import Layers
from tart_index.ann.making import parse
from tart_index.ann.tuning import DEPTHS
from tart_index.exact import import_faiss
from tart_index.planning.plan import Stage
from tart_index.planning.sizes import VectorLayout

# FAISS's own numbers of k-means rounds: for inverted lists, and for the codes of a product quantiser.
_LIST_ROUNDS, _CODE_ROUNDS = 10, 25
_PER_CENTROID = 256
# What is tried in small runs in the processor's cache, what is large does not; measured.
_TRAINING, _ADDING, _GRAPH, _TRUTH, _TUNING = (1.0, 3.0), (1.0, 4.0), (0.8, 3.0), (0.5, 1.3), (0.3, 5.0)
# Lists of codes grow by doubling, and the old ones are there until they are copied.
_GROWTH = 1.5
_TRIED_ROWS = 2_048
_TRIED_GRAPH_ROWS = 1_000


class StructureNeed(NamedTuple):
    """What one structure needs.

    Attributes:
        tried: FAISS's factory strings, in the order in which they are tried.
        stages: In their order; the careful side allows for every one that may be tried.
        memory: Bytes besides what the process holds now.
        disk: Bytes of its file.
    """

    tried: list[str]
    stages: list[Stage]
    memory: int
    disk: int

    @property
    def factory(self) -> str:
        """The structure that is tried first."""
        return self.tried[0]


def structure_need(rows: int, layout: VectorLayout, wanted: Wanted) -> StructureNeed | None:
    """What the structures that would be tried need; None where search stays exact.

    Args:
        rows: Vectors, deleted ones included.
        layout: Of the stored vectors.
        wanted: Recall, memory, and perhaps the structure.

    Raises:
        IndexFolderError: None fits into the memory wanted, or FAISS does not know the factory string.
    """
    tried = factories(rows, layout.dim, wanted)
    if not tried:
        return None
    lists = {factory: Layers.of(parse(factory, layout.dim)).lists for factory in tried}
    sizes = [estimated_bytes(factory, rows, layout.dim) for factory in tried]
    samples = [sample_size(factory, rows) * layout.dim * 4 for factory in tried]
    memory = max(max(sample + size / 4, size * _GROWTH) for size, sample in zip(sizes, samples, strict=True))
    return StructureNeed(tried, _stages(lists, rows, layout.dim, wanted), round(memory), max(sizes))


def _stages(tried: Mapping[str, int], rows: int, dim: int, wanted: Wanted) -> list[Stage]:
    """The work on structures of so many inverted lists each."""
    product = _product_seconds(dim, wanted.threads)
    truth = _truth_seconds(rows, dim, wanted)
    training = [_training_products(factory, lists, rows) * product for factory, lists in tried.items()]
    adding = [rows * (lists + 16) * product for lists in tried.values()]
    graph = [_graph_seconds(factory, rows, dim, wanted.threads) for factory in tried]
    return [
        Stage("exact neighbours", truth * _TRUTH[0], truth * _TRUTH[1]),
        Stage("training", training[0] * _TRAINING[0], sum(training) * _TRAINING[1]),
        Stage(
            "adding",
            adding[0] * _ADDING[0] + graph[0] * _GRAPH[0],
            sum(adding) * _ADDING[1] + sum(graph) * _GRAPH[1],
        ),
        Stage("tuning", truth * _TUNING[0], len(tried) * truth * _TUNING[1]),
    ]


def _training_products(factory: str, lists: int, rows: int) -> int:
    """Products of two whole vectors that training computes."""
    sample = sample_size(factory, rows)
    coarse = min(sample, _PER_CENTROID * lists) * lists * _LIST_ROUNDS
    codes = max((_codes(layer) for layer in factory.split(",")), default=0)
    return coarse + min(sample, _PER_CENTROID * codes) * codes * _CODE_ROUNDS


def _codes(layer: str) -> int:
    """Codes that each piece of a vector can have under a product quantiser; 0 for another layer."""
    size, _, bits = layer.removeprefix("PQ").partition("x")
    if not layer.startswith("PQ") or not size.isdigit():
        return 0
    return 1 << int("".join(character for character in bits if character.isdigit()) or 8)


def _product_seconds(dim: int, threads: int) -> float:
    """Of one product of two vectors, among many at once."""
    vectors = _random(_TRIED_ROWS, dim)
    return _best(lambda faiss: faiss.knn(vectors, vectors, 1), threads) / _TRIED_ROWS**2


def _truth_seconds(rows: int, dim: int, wanted: Wanted) -> float:
    """Of the exact neighbours of the sampled queries."""
    vectors, queries = _random(_TRIED_ROWS, dim), _random(64, dim)
    deepest = min(DEPTHS[-1] + 1, rows, _TRIED_ROWS)
    seconds = _best(lambda faiss: faiss.knn(queries, vectors, deepest), wanted.threads)
    return seconds / (len(queries) * len(vectors)) * wanted.queries * rows


def _graph_seconds(factory: str, rows: int, dim: int, threads: int) -> float:
    """Of linking so many vectors in a graph; 0 for another structure."""
    if not factory.startswith("HNSW"):
        return 0.0
    vectors = _random(min(rows, _TRIED_GRAPH_ROWS), dim)

    def link(_: Any) -> None:
        index = parse(factory, dim)
        index.train(vectors)
        index.add(vectors)

    return _best(link, threads, rounds=1) / len(vectors) * rows * math.log(rows + 1) / math.log(len(vectors) + 1)


def _best(work: Callable[[Any], object], threads: int, rounds: int = 3) -> float:
    """Seconds of the fastest of a few rounds."""
    faiss = import_faiss()
    faiss.omp_set_num_threads(threads)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work(faiss)
        times.append(time.perf_counter() - started)
    return min(times)


def _random(rows: int, dim: int) -> Any:
    vectors = np.random.default_rng(0).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
