"""Vectors of the queries asked last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tart.encoder import Encoder
from tart.tokens import Tokens

Vector: TypeAlias = NDArray[np.float32]


class TextKey(NamedTuple):
    """Everything that changes a vector.

    Attributes:
        model: Fingerprints of the model and its input format, and the number type.
        ids: Bytes of the token ids, instruction included.
        skip: Leading tokens that pooling leaves out.
    """

    model: tuple[str, str, str]
    ids: bytes
    skip: int


class Lookups(NamedTuple):
    """What a cache was asked for.

    Attributes:
        hits: Texts that needed no model.
        misses: Texts that were embedded.
        tokens: Of those embedded.
    """

    hits: int
    misses: int
    tokens: int


class VectorCache:
    """The vectors used last, by everything that changes them; for several threads.

    Args:
        most: Vectors kept; 0 keeps none.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._vectors: OrderedDict[TextKey, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._vectors)

    def embed(self, encoder: Encoder, texts: Sequence[Tokens], *, keep: bool) -> tuple[Vector, Lookups]:
        """Vectors of texts; each distinct one that is not known is embedded once.

        Args:
            encoder: That tokenised them.
            texts: From several callers; at least one.
            keep: Whether to remember them; documents in bulk would push the queries out.

        Returns:
            Shape: (number of all texts, dim), float32, unit rows; and how many of the texts the model had to read.
        """
        tokens = Tokens.concatenate(texts)
        keys = _keys(encoder, tokens)
        with self._lock:
            vectors = {key: self._vectors[key] for key in keys if key in self._vectors}
        missing = {key: row for row, key in enumerate(keys) if key not in vectors}
        read = 0
        if missing:
            distinct = tokens.select(list(missing.values()))
            vectors.update(zip(missing, encoder.embed(distinct), strict=True))
            read = len(distinct.ids)
        if keep:
            self._remember(vectors)
        return np.stack([vectors[key] for key in keys]), Lookups(len(keys) - len(missing), len(missing), read)

    def _remember(self, used: dict[TextKey, Vector]) -> None:
        """Remembers what was used now, and forgets what was used longest ago."""
        with self._lock:
            for key, vector in used.items():
                # A row of a batch would keep all its batch in memory.
                self._vectors[key] = vector if vector.base is None else vector.copy()
                self._vectors.move_to_end(key)
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)


def _keys(encoder: Encoder, tokens: Tokens) -> list[TextKey]:
    model = (encoder.fingerprint, encoder.input_format.fingerprint, encoder.hardware.dtype)
    ids = tokens.ids.tobytes()
    size = tokens.ids.itemsize
    bounds = tokens.offsets.tolist()
    return [
        TextKey(model, ids[start * size : end * size], skip)
        for start, end, skip in zip(bounds, bounds[1:], tokens.skip.tolist(), strict=False)
    ]
