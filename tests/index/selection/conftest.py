"""Pools of random vectors whose sums are exact, so that brute force gives the very same numbers and ties are real."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tart import Encoder
from tart_index.selection import Asked, SelectionOptions
from tests.index.counting import CountingEngine, counting_encoder, counting_engine

WORDS = "red green blue sort list merge dict read file open socket hash text parse date join path film review".split()  # noqa: SIM905


def pool_rows(count: int) -> list[dict[str, Any]]:
    """Rows of three tasks; every fifth input stands twice."""
    rows = []
    for number in range(count):
        seed = number - 1 if number % 5 == 4 else number
        words = [WORDS[(seed * step + step) % len(WORDS)] for step in range(1, 4 + seed % 5)]
        rows.append(
            {
                "_id": f"r{(number * 7) % count:03}",
                "task": f"task-{number % 3}",
                "input": " ".join(words),
                "target": f"answer {seed}",
                "metadata": {"dataset": "made", "n": number},
            }
        )
    return rows


def target_rows(count: int) -> list[dict[str, Any]]:
    """Unlabelled examples of two tasks; the last two have the same input."""
    texts = [" ".join(WORDS[(n * 3 + step) % len(WORDS)] for step in range(4)) for n in range(count)]
    if count > 1:
        texts[-1] = texts[-2]
    return [{"id": f"t{n}", "input": text, "task": f"skill-{n % 2}"} for n, text in enumerate(texts)]


class HalvesEngine(CountingEngine):
    """Embeds a text as four of sixteen numbers, each plus or minus a half: unit vectors whose products are exact."""

    dim = 16

    def embed(self, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        self.texts += len(texts)
        vectors = np.zeros((len(texts), 16), np.float32)
        for vector, ids in zip(vectors, texts, strict=True):
            rng = np.random.default_rng(ids.astype(np.int64))
            vector[rng.permutation(16)[:4]] = rng.choice(np.array([-0.5, 0.5], np.float32), 4)
        return vectors


def halves_encoder() -> Encoder:
    """An encoder with exact scores, of which many are equal."""
    return counting_encoder(HalvesEngine(counting_engine().tokenizer))


@pytest.fixture(scope="session")
def halves() -> Encoder:
    """One for all tests."""
    return halves_encoder()


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[[str, Sequence[Mapping[str, Any]]], Path]:
    """Writes rows as JSON lines."""

    def write(name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        file = tmp_path / name
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return file

    return write


@pytest.fixture
def asking(halves: Encoder, write_rows: Callable[..., Path]) -> Callable[..., Asked]:
    """What a selection of the pool's 40 rows for 5 targets starts from."""

    def ask(options: SelectionOptions, **changes: Any) -> Asked:
        pool = changes.pop("pool", None) or write_rows("pool.jsonl", pool_rows(40))
        like = changes.pop("like", None) or write_rows("target.jsonl", target_rows(5))
        return Asked(pool, like, options, halves, **changes)

    return ask
