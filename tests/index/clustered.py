"""Index folders of clustered vectors, as real ones are, made without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.formats import PRESETS
from tart_index.folder import IndexFolder
from tart_index.manifest import Manifest, StoredModel
from tart_index.vector_type import VectorType
from tart_index.writer import IndexWriter


def clustered(rows: int, dim: int, seed: int, clusters: int = 40) -> NDArray[np.float32]:
    """Unit vectors around centres that are the same for every seed."""
    centres = np.random.default_rng(99).standard_normal((clusters, dim))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(clusters, size=rows)] + 0.7 * rng.standard_normal((rows, dim))
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def write_index(
    path: Path, vectors: NDArray[np.float32], part_size: int = 500, vector_dtype: VectorType = "float32"
) -> IndexFolder:
    """Publishes vectors as an index; document n has the id "n" and the metadata {"n": n}."""
    with IndexWriter.lock(path) as writer:
        before = writer.published()
        parts = list(before.parts) if before else []
        first = before.rows if before else 0
        for start in range(0, len(vectors), part_size):
            block = vectors[start : start + part_size].astype(vector_dtype, copy=False)
            numbers = range(first + start, first + start + len(block))
            documents = [Document(str(n), f"text {n}", "", {"n": n}) for n in numbers]
            parts.append(writer.write_part(f"{first + start:032x}", documents, block, np.zeros(len(block), np.bool_)))
        model = StoredModel("made up", "sha256:" + "0" * 64, "float32", 256)
        version = before.version + 1 if before else 1
        structure = before.structure if before else None
        manifest = Manifest(
            version,
            "2026-01-01",
            "test",
            vectors.shape[1],
            model,
            PRESETS["plain"],
            tuple(parts),
            structure=structure,
            vector_dtype=vector_dtype,
        )
        writer.publish(manifest)
    return IndexFolder.open(path)
