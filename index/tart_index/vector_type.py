"""The number type in which vectors are stored: half precision takes half the space, and is read as float32."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

VectorType: TypeAlias = Literal["float32", "float16"]
VECTOR_TYPES: tuple[VectorType, ...] = ("float32", "float16")
# Vectors as they lie in a part: float32 or float16.
StoredVectors: TypeAlias = NDArray[np.floating[Any]]
# How far the length of a vector may be from 1.
_UNIT_LENGTH = 1e-3
# Vectors whose length is taken at a time: 6 MiB of squares at 384 numbers.
_CHECKED_ROWS = 4_096


def as_float32(vectors: StoredVectors) -> NDArray[np.float32]:
    """Vectors in float32: themselves where they are, else a copy; every float16 is a float32 too."""
    if vectors.dtype == np.float32:
        return vectors
    if vectors.dtype != np.float16 or not vectors.size:
        return vectors.astype(np.float32)
    import pyarrow as pa
    from torch.utils.dlpack import from_dlpack

    # torch converts in the processor's registers, numpy number by number: a fifteenth of the time. It complains of
    # numpy arrays that cannot be written to, such as those of a memory map, but not of Arrow's.
    halves = pa.Array.from_buffers(pa.float16(), vectors.size, [None, pa.py_buffer(np.ascontiguousarray(vectors))])
    converted: NDArray[np.float32] = from_dlpack(halves).view(vectors.shape).float().numpy()
    return converted


def first_not_unit(vectors: StoredVectors) -> tuple[int, float] | None:
    """The first row whose length is not 1, or no number, and that length; None where all are of unit length."""
    for start in range(0, len(vectors), _CHECKED_ROWS):
        lengths = np.linalg.norm(as_float32(vectors[start : start + _CHECKED_ROWS]), axis=1)
        bad = ~(np.abs(lengths - 1) < _UNIT_LENGTH)
        if bad.any():
            row = int(bad.argmax())
            return start + row, float(lengths[row])
    return None
