"""What parts take: on disk by the layout of their files, in memory while they are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tart.documents import Document
from tart.tokens import CHARACTERS_PER_TOKEN
from tart_index.columns import stored_bytes
from tart_index.planning.survey import Survey
from tart_index.table import metadata_json
from tart_index.vector_type import VectorType

# Headers of the array files, the Arrow files' schemas and footers.
_HEADER_BYTES = 3 * 128 + 1_110 + 1_820
# part.json, and a part's lines in two manifests; what those hold besides.
_LISTED_BYTES, _VERSION_BYTES = 700 + 2 * 900, 2 * 900
# Four offsets of eight bytes in documents.arrow and a bit; two digests of 24 bytes.
_ROW_BYTES = 4 * 8 + 1 / 8 + 2 * 24
# One part is read and tokenised, one waits, one is in the model, one is written.
_PARTS_IN_FLIGHT = 4
# A document as a Python object with its metadata, and its tokens and digests; measured.
_OBJECT_BYTES = 1_800
# A text stands as it was read, as Python holds it, and as Arrow writes it.
_TEXT_COPIES = 3
# Sorted digests of ids, and their copy while they are sorted anew.
_ID_BYTES = 64
# Activations of one batch, buffers of libraries, and what the allocator keeps; measured.
_WORKING_BYTES = 80 * 2**20
# What the tokenizer holds for a byte of text while it cuts one part into tokens; measured.
_TOKENISING_BYTES = 50


class VectorLayout(NamedTuple):
    """How a vector is stored.

    Attributes:
        dim: Numbers of a vector.
        number_bytes: Of one number.
    """

    dim: int
    number_bytes: int = 4

    @classmethod
    def of(cls, dim: int, vector_dtype: VectorType) -> VectorLayout:
        """Of vectors stored as numbers of a type."""
        return cls(dim, np.dtype(vector_dtype).itemsize)

    @property
    def bytes(self) -> int:
        """Of a vector."""
        return self.dim * self.number_bytes


def parts_of(rows: int, part_size: int) -> int:
    """Parts that so many rows fill."""
    return math.ceil(rows / part_size)


def disk_of(survey: Survey, layout: VectorLayout, part_size: int) -> int:
    """Bytes of the files of new parts over what a survey found."""
    rows = survey.count_of("embed", "copy")
    if not rows:
        return 0
    written = survey.documents_of("embed", "copy")
    metadata = _metadata_bytes(written) + _column_bytes(written)
    by_row = layout.bytes + _ROW_BYTES + metadata
    texts = survey.text_bytes * rows / survey.fresh
    parts = parts_of(rows, part_size)
    return round(texts + rows * by_row + parts * _HEADER_BYTES) + listing_bytes(parts)


def listing_bytes(parts: int) -> int:
    """Of what lists so many new parts: beside each of them, in the manifest and in the version that is kept."""
    return parts * _LISTED_BYTES + _VERSION_BYTES


def memory_of(survey: Survey, layout: VectorLayout, part_size: int, max_length: int = 0) -> int:
    """Bytes that the making of parts holds at its peak, besides the model and what the process holds already.

    Args:
        survey: Of the corpus.
        layout: Of the vectors.
        part_size: Documents in a part.
        max_length: Tokens that the model takes; 0 where nothing is tokenised.
    """
    rows = min(part_size, survey.fresh)
    part = rows * (_OBJECT_BYTES + 4 * layout.dim + layout.bytes) + _TEXT_COPIES * survey.largest_part
    in_flight = min(_PARTS_IN_FLIGHT, parts_of(survey.fresh, part_size))
    tokenised = min(survey.largest_part, rows * CHARACTERS_PER_TOKEN * max_length)
    return in_flight * part + _TOKENISING_BYTES * tokenised + survey.documents * _ID_BYTES + _WORKING_BYTES


def _metadata_bytes(documents: Sequence[Document]) -> float:
    """Of one document's metadata as JSON, on average."""
    sizes = [len(metadata_json(document).encode("utf-8", "surrogatepass")) for document in documents]
    return sum(sizes) / max(len(sizes), 1)


def _column_bytes(documents: Sequence[Document]) -> float:
    """Of one document's metadata as columns, on average."""
    return stored_bytes(documents) / max(len(documents), 1)
