"""FAISS on GPUs: which are used, where each step was done, and exact search.

A structure is always a CPU index. GPUs take three steps that are matrix products: the k-means of a coarse quantiser,
the assignment of vectors to its lists, and exact search without a filter. FAISS's classic GPU indexes ignore a filter
without a word, so nothing here that calls one takes a filter.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tart.errors import ModelError
from tart_index.exact import ExactSearch, Neighbours, import_faiss, merge

T = TypeVar("T")

# The classic GPU kernels select no more.
MOST_NEIGHBOURS = 2_048
# A part is small for a GPU: they are joined to blocks of so many numbers, 128 MiB.
_BLOCK_NUMBERS = 1 << 25
# All vectors cross the bus once, whatever the number of queries: a few are not worth it. A guess, not yet measured.
_WORTH_CROSSING = 32
_DEVICE = re.compile(r"(auto|cpu|mps|cuda)|cuda:(\d+)")


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs that FAISS uses.

    Attributes:
        numbers: As CUDA counts them; empty for none.
    """

    numbers: tuple[int, ...] = ()

    @classmethod
    def choose(cls, device: str | None = None) -> Gpus:
        """Those of a device that FAISS sees: all for "cuda", "auto" and None, one for "cuda:N", none for the others.

        Raises:
            ModelError: There is no such kind of device.
        """
        asked = _DEVICE.fullmatch(device or "auto")
        if asked is None:
            raise ModelError(f"no device {device!r}; wanted auto, cpu, cuda, cuda:N or mps")
        seen = range(visible_gpus())
        if asked[2] is not None:
            return cls(tuple(number for number in seen if number == int(asked[2])))
        return cls(tuple(seen) if asked[1] in {"auto", "cuda"} else ())

    def __str__(self) -> str:
        return ",".join(f"cuda:{number}" for number in self.numbers) or "cpu"

    def copies(self, index: Any) -> Any:
        """A flat CPU index on every GPU; queries are divided among them."""
        return import_faiss().index_cpu_to_gpus_list(index, gpus=list(self.numbers))


class Placement:
    """Does each step on the GPUs, or on the CPU where that is not possible, and remembers where it was.

    Args:
        gpus: None of them does everything on the CPU.
        say: Is told when GPUs fail a step.

    Attributes:
        used: Devices by step, such as ``{"k-means": "cuda:0,cuda:1", "adding": "cpu"}``.
    """

    def __init__(self, gpus: Gpus, say: Callable[[str], None] = lambda _: None) -> None:
        self.gpus = gpus
        self.used: dict[str, str] = {}
        self._say = say
        self._failed: set[str] = set()

    def run(self, step: str, on_gpus: Callable[[Gpus], T] | None, on_cpu: Callable[[], T]) -> T:
        """Does one step; one that GPUs have failed once stays on the CPU.

        Args:
            step: Its name.
            on_gpus: Leaves nothing half done where it raises; None where GPUs cannot do it.
            on_cpu: Does the same on the CPU.
        """
        if on_gpus is not None and self.gpus.numbers and step not in self._failed:
            try:
                done = on_gpus(self.gpus)
            except (RuntimeError, MemoryError) as error:
                self._failed.add(step)
                reason = str(error).strip().rpartition("\n")[2] or type(error).__name__
                self._say(f"{step}: on the CPU, {self.gpus} failed: {reason}")
            else:
                self.used[step] = str(self.gpus)
                return done
        self.used[step] = "cpu"
        return on_cpu()

    def __str__(self) -> str:
        return ", ".join(f"{step} on {device}" for step, device in self.used.items())


class GpuExactSearch:
    """Exact search whose vectors stream through the GPUs, part by part; see `NearestRows`.

    A search under a filter, one for more neighbours than GPUs select, and one of a few queries are the CPU's.

    Args:
        parts: Arrays of shape (part count, dim), float32, C order; may be memory-mapped.
        threads: CPU threads.
        placement: Where it is done.
    """

    def __init__(self, parts: Sequence[NDArray[np.float32]], threads: int, placement: Placement) -> None:
        self._cpu = ExactSearch(parts, threads)
        self._parts = parts
        self._placement = placement
        # FAISS's resources of a GPU serve one thread at a time.
        self._lock = threading.Lock()

    def search(self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None) -> Neighbours:
        """The best `k` rows for each query; see `NearestRows.search`."""
        if allowed is not None:
            return self._cpu.search(queries, k, allowed)
        fits = k <= MOST_NEIGHBOURS and len(queries) >= _WORTH_CROSSING
        return self._placement.run(
            "exact search",
            (lambda gpus: self._stream(gpus, queries, k)) if fits else None,
            lambda: self._cpu.search(queries, k),
        )

    def _stream(self, gpus: Gpus, queries: NDArray[np.float32], k: int) -> Neighbours:
        """Every GPU takes an equal share of each block's rows."""
        faiss = import_faiss()
        best = Neighbours(np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64))
        with self._lock, ThreadPoolExecutor(len(gpus.numbers)) as pool:
            resources = [faiss.StandardGpuResources() for _ in gpus.numbers]

            def nearest(number: int, start: int, share: NDArray[np.float32]) -> Neighbours:
                kept = min(k, len(share))
                metric, device = faiss.METRIC_INNER_PRODUCT, gpus.numbers[number]
                scores, rows = faiss.knn_gpu(resources[number], queries, share, kept, metric=metric, device=device)
                return Neighbours(scores, rows + start)

            for start, block in self._blocks():
                bounds = np.linspace(0, len(block), len(gpus.numbers) + 1).astype(int)
                shares = [(n, a, b) for n, (a, b) in enumerate(pairwise(bounds.tolist())) if a < b]
                found = [pool.submit(nearest, n, start + a, block[a:b]) for n, a, b in shares]
                best = reduce(lambda one, other: merge(one, other, k), [best, *(one.result() for one in found)])
        return best

    def _blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Parts joined until a block is worth a transfer, with the row that each block starts at."""
        start, held = 0, list[NDArray[np.float32]]()
        for part in self._parts:
            held.append(np.asarray(part, dtype=np.float32))
            if sum(array.size for array in held) >= _BLOCK_NUMBERS:
                yield start, np.concatenate(held)
                start += sum(map(len, held))
                held = []
        if held:
            yield start, np.concatenate(held)


def visible_gpus() -> int:
    """GPUs that the installed FAISS sees; 0 for a build without CUDA."""
    faiss = import_faiss()
    return int(faiss.get_num_gpus()) if has_gpu_code() else 0


def has_gpu_code() -> bool:
    """Whether the installed FAISS was built for CUDA."""
    return hasattr(import_faiss(), "StandardGpuResources")


def gpu_facts() -> dict[str, Any]:
    """What `tart doctor` tells: FAISS's build, its GPUs, and where each step will be done."""
    gpus = Gpus.choose()
    step = {name: str(gpus) for name in ("k-means", "list assignment", "ground truth")}
    return {"built for GPUs": has_gpu_code(), "gpus": len(gpus.numbers), **step, "filtered search": "cpu"}
