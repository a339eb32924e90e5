"""Rows of T0's training data, where they lie beside the checkout."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from tart_index.selection import Reading, SelectionOptions, select
from tart_index.selection.sources import ReadAccount, Source

POOL = Path(__file__).parents[4] / "shared" / "data" / "pool" / "t0.jsonl.gz"
pytestmark = pytest.mark.skipif(not POOL.is_file(), reason="no pool of instruction data beside this checkout")


def test_every_row_of_the_pool_is_an_example() -> None:
    account = ReadAccount()
    tasks: Counter[str | None] = Counter(one.task for one in Source.of(POOL, "pool").examples(Reading(), account))
    assert tasks.total() == 51_359
    assert len(tasks) == 265
    assert account.layout is not None
    assert account.layout.sentence() == (
        "layout pairs: input from input, target from target, task from task, id from _id"
    )


def test_words_find_rows_of_the_same_dataset() -> None:
    with gzip.open(POOL, "rt", encoding="utf-8") as lines:
        rows = [row for number, row in enumerate(map(json.loads, lines)) if number % 16 == 0]
    target = [row for row in rows if row["metadata"]["dataset"] == "rotten_tomatoes"][:20]
    assert len(target) == 20
    ids = {row["_id"] for row in target}
    pool = [row for row in rows if row["_id"] not in ids]
    shares = {}
    for method in ("bm25", "random"):
        chosen = select(pool, target, SelectionOptions(method=method, neighbours=20, budget=60))
        shares[method] = sum(pool[row]["metadata"]["dataset"] == "rotten_tomatoes" for row in chosen.rows) / 60
    assert shares["bm25"] > 0.4
    assert shares["bm25"] > 3 * shares["random"]
