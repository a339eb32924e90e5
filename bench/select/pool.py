"""The pool of the replication: prompted rows of many datasets, each under several templates."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

# Datasets made from the same source texts: where one is the target, none of them stays in the pool.
_FAMILIES = ("adversarial_qa", "duorc")


class PoolRow(NamedTuple):
    """One prompted example.

    Attributes:
        id: Unique in the pool.
        template: The prompt template that made it.
        dataset: Where the example comes from.
        input: What a model reads.
        target: What it is to answer.
    """

    id: str
    template: str
    dataset: str
    input: str
    target: str


def read_pool(path: Path) -> list[PoolRow]:
    """All rows, in the file's order, which is that of the index built from it."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [PoolRow(row["_id"], row["task"], row["metadata"]["dataset"], row["input"], row["target"]) for row in rows]


def family(dataset: str) -> str:
    """The name that datasets of one source share."""
    return next((name for name in _FAMILIES if dataset.startswith(name)), dataset)


def rows_by_template(rows: Sequence[PoolRow], numbers: Iterable[int]) -> dict[str, list[int]]:
    """Numbers of rows under their template, both in their first order."""
    found: dict[str, list[int]] = {}
    for number in numbers:
        found.setdefault(rows[number].template, []).append(number)
    return found
