"""A small encoder whose vectors are cheap and known, and corpora on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tart import Document, Encoder
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


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine(read_tokenizer(ModelFolder.open("all-MiniLM-L6-v2").path / "tokenizer.json"))


@pytest.fixture
def counting(engine: CountingEngine) -> Encoder:
    """An encoder of token counts: real tokens, vectors that can be recomputed by hand."""
    folder = ModelFolder.open("all-MiniLM-L6-v2")
    return Encoder(folder, engine, folder.input_format, Hardware.choose("cpu", "float32"))


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[[Sequence[Document]], Path]:
    """Writes documents as JSON lines and returns the file."""

    def write(documents: Sequence[Document], name: str = "corpus.jsonl") -> Path:
        file = tmp_path / name
        rows = [{"id": d.id, "title": d.title, "text": d.text, "metadata": dict(d.metadata)} for d in documents]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return file

    return write
