"""FAISS's names for GPUs on a machine that has none: "GPU" indexes are CPU ones, and every call is recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray


@dataclass(slots=True)
class FakeGpus:
    """What was asked of the GPUs.

    Attributes:
        copied: GPUs and kind of each index that was brought there.
        searched: GPU, queries, rows and k of each exact search.
        broken: Names that fail as FAISS does when a GPU's memory is full.
    """

    copied: list[tuple[list[int], str]] = field(default_factory=list)
    searched: list[tuple[int, int, int, int]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def index_cpu_to_gpus_list(self, index: Any, co: Any = None, gpus: list[int] | None = None, ngpu: int = -1) -> Any:
        self._check("index_cpu_to_gpus_list")
        assert gpus
        self.copied.append((gpus, type(faiss.downcast_index(index)).__name__))
        return faiss.clone_index(faiss.downcast_index(index))

    def knn_gpu(
        self, res: Any, xq: NDArray[np.float32], xb: NDArray[np.float32], k: int, *, metric: int, device: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Has no more parameters than these: a filter could not be handed over."""
        self._check("knn_gpu")
        assert k <= 2_048, "the classic GPU kernels select no more"
        self.searched.append((device, len(xq), len(xb), k))
        scores, rows = faiss.knn(xq, xb, k, metric=metric)
        return scores, rows

    def _check(self, name: str) -> None:
        if name in self.broken:
            raise RuntimeError(f"Error in {name} at GpuResources.cpp:1\nalloc fail: out of memory")


def pretend_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> FakeGpus:
    """Makes the installed FAISS look like a build for CUDA that sees so many GPUs."""
    fake = FakeGpus()
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: count)
    monkeypatch.setattr(faiss, "index_cpu_to_gpus_list", fake.index_cpu_to_gpus_list)
    monkeypatch.setattr(faiss, "knn_gpu", fake.knn_gpu)
    return fake
