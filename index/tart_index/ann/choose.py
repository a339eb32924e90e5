"""Which structure to make: from the number of vectors, their length and the memory that there is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tart.errors import IndexFolderError

EXACT = "exact"
# Up to so many numbers, scoring everything takes a few milliseconds, and is exact.
_SMALL = 20_000_000
# k-means wants at least 39 vectors a list (FAISS warns below) and gains little from more than 64.
_PER_LIST = 64
_MOST_LISTS = 65_536
_ROW_NUMBER = 8
# With what may follow: IVF1024_HNSW32 keeps its centroids in a graph.
_LISTS = re.compile(r"IVF(\d+)")
_SCALAR_BITS = {"SQ8": 8, "SQ6": 6, "SQ4": 4, "SQfp16": 16, "SQbf16": 16}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator asks of a structure.

    Attributes:
        recall: Of the ten nearest neighbours, the share that must be found, above 0 and at most 1.
        memory: Bytes that the structure may take; None leaves it open.
        factory: FAISS's factory string, or "exact"; chosen where it is None.
        queries: Sampled to measure the recall.
        threads: CPU threads.
        seed: Of the samples.
        device: Where FAISS trains and measures: "cpu", "cuda" or "cuda:N"; every GPU that it sees by default.

    Raises:
        IndexFolderError: A value is out of range.
    """

    recall: float = 0.95
    memory: int | None = None
    factory: str | None = None
    queries: int = 400
    threads: int = 1
    seed: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.recall <= 1:
            raise IndexFolderError(f"recall is {self.recall:g}; wanted more than 0 and at most 1, such as 0.95")
        if self.memory is not None and self.memory < 1:
            raise IndexFolderError(f"memory is {self.memory} bytes; wanted more")
        if self.queries < 20:
            raise IndexFolderError(f"{self.queries} queries measure no recall; wanted 20 or more")


def factories(rows: int, dim: int, wanted: Wanted) -> list[str]:
    """The structures to try, fastest first; an empty list says that exact search is the right one.

    Raises:
        IndexFolderError: None fits into the memory.
    """
    if wanted.factory is not None:
        return [] if wanted.factory == EXACT else [wanted.factory]
    if rows * dim <= _SMALL:
        return []
    sizes = {factory: estimated_bytes(factory, rows, dim) for factory in _candidates(rows, dim)}
    fitting = [factory for factory, size in sizes.items() if wanted.memory is None or size <= wanted.memory]
    if not fitting:
        least = min(sizes.values())
        raise IndexFolderError(
            f"the smallest structure over {rows:,} vectors of {dim} takes about {least / 2**20:,.0f} MiB, "
            f"{(wanted.memory or 0) / 2**20:,.0f} MiB are allowed; allow more, or search exactly: --structure exact"
        )
    return fitting


def lists_for(rows: int) -> int:
    """Inverted lists for so many vectors: about twice the square root, as a power of two.

    Four-bit codes are scanned so fast that comparing a query with more centres costs more than the shorter lists save.
    """
    wanted = 2 ** round(math.log2(2 * math.sqrt(rows)))
    return int(max(1, min(wanted, _MOST_LISTS, 2 ** int(math.log2(max(rows // _PER_LIST, 1))))))


def sample_size(factory: str, rows: int) -> int:
    """Vectors that a structure is trained on."""
    return min(rows, max(65_536, _PER_LIST * _lists_of(factory)))


def estimated_bytes(factory: str, rows: int, dim: int) -> int:
    """About what a structure takes, from its factory string."""
    layers = [layer.strip() for layer in factory.split(",")]
    each = sum(_bytes_of(layer, dim) for layer in layers)
    if layers[0].startswith("HNSW") and "_" not in layers[0] and all(one.startswith("Refine") for one in layers[1:]):
        # FAISS's graph holds whole vectors where nothing else is named.
        each += 4 * dim
    return round(rows * each + _lists_of(factory) * dim * 4)


def _candidates(rows: int, dim: int) -> Iterator[str]:
    lists = lists_for(rows)
    # Four-bit codes are compared in the processor's registers; the finer codes put the best of them in order. Codes of
    # two numbers each let a third to half as many through to the finer ones as codes of four.
    sizes = [size for size in (2, 4, 8, 3, 5) if dim % size == 0]
    for size in sizes[:2]:
        yield f"IVF{lists},PQ{dim // size}x4fs,Refine(SQ8)"
    if sizes:
        yield f"IVF{lists},PQ{dim // sizes[:2][-1]}x4fs,Refine(SQ4)"
    else:
        yield f"IVF{lists},SQ8"


def _bytes_of(layer: str, dim: int) -> float:
    """Of one vector in one layer."""
    inner = layer.removeprefix("Refine(").removesuffix(")")
    if inner.startswith("IVF"):
        return _ROW_NUMBER
    if inner.startswith("HNSW"):
        links = int("".join(c for c in inner[4:].partition("_")[0] if c.isdigit()) or 32)
        coded = inner.partition("_")[2]
        return 4 * (2 * links + 1) + (_bytes_of(coded, dim) if coded else 0)
    if inner.startswith("PQ"):
        size, _, bits = inner[2:].partition("x")
        return int(size) * int("".join(c for c in bits if c.isdigit()) or 8) / 8
    if inner.startswith("SQ"):
        return dim * _SCALAR_BITS.get(inner, 8) / 8
    if inner.startswith("RaBitQ"):
        return dim / 8 + 8
    return 4 * dim if inner == "Flat" else 0


def _lists_of(factory: str) -> int:
    """Inverted lists of a factory string; 0 for none."""
    found = _LISTS.search(factory)
    return int(found[1]) if found else 0
