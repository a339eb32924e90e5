"""The number type in which vectors are stored: half precision takes half the space, and is read as float32."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

VectorType: TypeAlias = Literal["float32", "float16"]
VECTOR_TYPES: tuple[VectorType, ...] = ("float32", "float16")
# Vectors as they lie in a part: float32 or float16.
StoredVectors: TypeAlias = NDArray[np.floating[Any]]


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
