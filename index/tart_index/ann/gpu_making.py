"""What GPUs do of the making of a structure: k-means, and the assignment of vectors to lists.

The structure itself stays a CPU index all the time: so every kind of code works, the fast-scan ones too, which FAISS's
GPU indexes do not know, and nothing has to be brought back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart_index.exact import import_faiss
from tart_index.gpus import Gpus


def train_on(gpus: Gpus, index: Any, sample: NDArray[np.float32]) -> Any:
    """Trains an index with inverted lists, its k-means on GPUs.

    Args:
        gpus: At least one.
        index: From `making.parse`; see `has_lists`.
        sample: Shape: (n, dim), float32.
    """
    faiss = import_faiss()
    lists = faiss.extract_index_ivf(index)
    quantiser = faiss.downcast_index(lists.quantizer)
    # As on the CPU: a flat quantiser is clustered by its own metric, a graph of centroids by distance.
    empty = quantiser if isinstance(quantiser, faiss.IndexFlat) else faiss.IndexFlatL2(lists.d)
    clustering = gpus.copies(empty)
    lists.clustering_index = clustering
    try:
        index.train(sample)
    finally:
        lists.clustering_index = None
    return index


def has_lists(index: Any) -> bool:
    """Whether it has inverted lists, so that there is a k-means to be done."""
    return import_faiss().try_extract_index_ivf(index) is not None


class ListAssignment:
    """Adds vectors to a trained index, the lists that they belong to found by GPUs.

    The outcome is that of ``index.add``, byte for byte, where GPUs and CPU agree on the nearest centroid.

    Args:
        gpus: At least one.
        index: Trained; see `supports`.
    """

    def __init__(self, gpus: Gpus, index: Any) -> None:
        self._index = index
        self._quantiser = gpus.copies(import_faiss().extract_index_ivf(index).quantizer)

    @staticmethod
    def supports(index: Any) -> bool:
        """Whether the quantiser is flat, and the codes are not what FAISS computes from centroids one by one."""
        faiss = import_faiss()
        lists = faiss.try_extract_index_ivf(index)
        if lists is None:
            return False
        lists = faiss.downcast_index(lists)
        flat = isinstance(faiss.downcast_index(lists.quantizer), faiss.IndexFlat)
        return flat and not (isinstance(lists, faiss.IndexIVFFastScan) and lists.by_residual)

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Adds vectors. Shape: (n, dim), float32, C order."""
        self._add(self._index, vectors)

    def _add(self, index: Any, vectors: NDArray[np.float32]) -> None:
        faiss = import_faiss()
        index = faiss.downcast_index(index)
        if isinstance(index, faiss.IndexRefine):
            self._add(index.base_index, vectors)
            index.refine_index.add(vectors)
            index.ntotal = index.refine_index.ntotal
        elif isinstance(index, faiss.IndexPreTransform):
            for number in range(index.chain.size()):
                vectors = index.chain.at(number).apply(vectors)
            self._add(index.index, vectors)
            index.ntotal = index.index.ntotal
        elif isinstance(index, faiss.IndexIVFFastScan):
            self._add_in_blocks_of_codes(index, vectors)
        else:
            _, lists = self._quantiser.search(vectors, 1)
            nearest = np.ascontiguousarray(lists[:, 0])
            index.add_core(len(vectors), faiss.swig_ptr(vectors), None, faiss.swig_ptr(nearest))

    def _add_in_blocks_of_codes(self, index: Any, vectors: NDArray[np.float32]) -> None:
        """Fast-scan lists pack their codes in ``add`` alone: it asks the GPUs instead of its own quantiser."""
        own = index.quantizer
        index.quantizer = self._quantiser
        try:
            index.add(vectors)
        finally:
            index.quantizer = own
