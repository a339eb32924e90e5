"""How hard a structure searches: FAISS's search parameters, and the grid on which they are tuned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart_index.exact import import_faiss

_REFINEMENTS = (1, 2, 4, 8, 16, 32, 64)
# Steps of the square root of two: a finer grid measures longer and gains little.
_STEP = 2**0.5


class Layers(NamedTuple):
    """What stands inside a FAISS index, from the outside to the inside.

    Attributes:
        refined: Whether candidates are scored again from finer codes.
        transformed: Whether vectors are rotated first.
        lists: Inverted lists; 0 for none.
        graph: Whether it is a navigable graph.
    """

    refined: bool
    transformed: bool
    lists: int
    graph: bool

    @classmethod
    def of(cls, index: Any) -> Layers:
        """Looks into an index."""
        faiss = import_faiss()
        inner = innermost(index)
        return cls(
            refined=isinstance(index, faiss.IndexRefine),
            transformed=isinstance(_base(index), faiss.IndexPreTransform),
            lists=int(getattr(inner, "nlist", 0)),
            graph=isinstance(inner, faiss.IndexHNSW),
        )

    @property
    def dial(self) -> str:
        """The one parameter that matters most; "" for a structure that has none, which is not served."""
        return "nprobe" if self.lists else "efSearch" if self.graph else ""


def innermost(index: Any) -> Any:
    """The index with the lists or the graph, inside of refinement and rotation."""
    base = _base(index)
    transformed = isinstance(base, import_faiss().IndexPreTransform)
    return import_faiss().downcast_index(base.index) if transformed else base


def _base(index: Any) -> Any:
    """The index that finds the candidates."""
    faiss = import_faiss()
    return faiss.downcast_index(index.base_index if isinstance(index, faiss.IndexRefine) else index)


def candidates(k: int) -> int:
    """How many are taken from a structure for the best `k`: half as many more.

    Its codes misplace some of those that lie close; the vectors themselves, which score all of them, put them right.
    """
    return k + (k + 1) // 2


def grid(layers: Layers, k: int, rows: int) -> Iterator[list[dict[str, int]]]:
    """Rows of efforts: along each, the search gets slower and its recall higher.

    Args:
        layers: Of the index.
        k: Neighbours that will be asked for.
        rows: Of the index.
    """
    refinements = [r for r in _REFINEMENTS if r * k <= max(rows, k)] if layers.refined else [0]
    for refinement in refinements:
        fixed = {"k_factor": refinement} if refinement else {}
        yield [{**dial, **fixed} for dial in _dials(layers, k, rows)]


def _dials(layers: Layers, k: int, rows: int) -> list[dict[str, int]]:
    least, most = (1, layers.lists) if layers.lists else (max(k, 8), max(k, rows))
    steps = int(np.ceil(np.log(max(most / least, 1)) / np.log(_STEP)))
    values = sorted({min(most, round(least * _STEP**step)) for step in range(steps + 1)})
    return [{layers.dial: value} for value in values]


class Parameters:
    """Search parameters for FAISS, with everything that they point to kept alive.

    Args:
        layers: Of the index.
        effort: By FAISS's names.
        bits: One bit for each row of the index, the lowest first: those that may be found; None allows all.
        lists: Shape: (inverted lists,), bool: those that may be looked into; None allows all.
    """

    def __init__(
        self,
        layers: Layers,
        effort: Mapping[str, int],
        bits: NDArray[np.uint8] | None = None,
        lists: NDArray[np.bool_] | None = None,
    ) -> None:
        faiss = import_faiss()
        self._kept: list[Any] = []
        selecting = self._selecting(bits)
        parameters: Any
        if layers.lists:
            if lists is not None:
                only = self._selecting(np.packbits(lists, bitorder="little"))
                selecting["quantizer_params"] = self._keep(faiss.SearchParameters(**only))
            parameters = faiss.SearchParametersIVF(nprobe=min(effort["nprobe"], layers.lists), **selecting)
        else:
            parameters = faiss.SearchParametersHNSW(efSearch=effort["efSearch"], **selecting)
        if layers.transformed:
            parameters = faiss.SearchParametersPreTransform(index_params=self._keep(parameters))
        if layers.refined:
            inner = self._keep(parameters)
            parameters = faiss.IndexRefineSearchParameters(k_factor=effort["k_factor"], base_index_params=inner)
        self.faiss = parameters

    def _selecting(self, bits: NDArray[np.uint8] | None) -> dict[str, Any]:
        return {} if bits is None else {"sel": self._keep(import_faiss().IDSelectorBitmap(self._keep(bits)))}

    def _keep(self, thing: Any) -> Any:
        self._kept.append(thing)
        return thing
