"""A small encoder whose vectors are cheap and known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tart import Encoder
from tart.engines import Hardware
from tart.models import ModelFolder
from tart.tokens import read_tokenizer


class CountingEngine:
    """Embeds a text as the unit vector of its token counts, hashed into 32 dimensions."""

    dim = 32
    token_budget = 256

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.texts = 0

    def embed(self, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        self.texts += len(texts)
        counts = np.stack([np.bincount((ids.astype(np.int64) * 2_654_435_761) % 32, minlength=32) for ids in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def counting_engine() -> CountingEngine:
    """The engine with the shipped model's tokenizer."""
    return CountingEngine(read_tokenizer(ModelFolder.open("all-MiniLM-L6-v2").path / "tokenizer.json"))


def counting_encoder(engine: CountingEngine | None = None) -> Encoder:
    """An encoder of token counts: real tokens, vectors that can be recomputed by hand."""
    folder = ModelFolder.open("all-MiniLM-L6-v2")
    return Encoder(folder, engine or counting_engine(), folder.input_format, Hardware.choose("cpu", "float32"))
