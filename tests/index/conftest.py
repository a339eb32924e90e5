"""A small encoder whose vectors are cheap and known, and corpora on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tart import Document, Encoder
from tests.index.counting import CountingEngine, counting_encoder, counting_engine


@pytest.fixture
def engine() -> CountingEngine:
    return counting_engine()


@pytest.fixture
def counting(engine: CountingEngine) -> Encoder:
    """An encoder of token counts: real tokens, vectors that can be recomputed by hand."""
    return counting_encoder(engine)


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[[Sequence[Document]], Path]:
    """Writes documents as JSON lines and returns the file."""

    def write(documents: Sequence[Document], name: str = "corpus.jsonl") -> Path:
        file = tmp_path / name
        rows = [{"id": d.id, "title": d.title, "text": d.text, "metadata": dict(d.metadata)} for d in documents]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return file

    return write
