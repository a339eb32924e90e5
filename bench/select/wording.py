"""What of a prompted row is its template's wording, and what is the example's own.

The pool gives each example under many templates and does not say which rows belong together. Both leaks that this
allows are closed by text: rows of one example never stand on both sides of a split (`examples`), and no pool row
shares a passage with a target row, whatever its dataset is called (`passages`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from bench.select.pool import PoolRow, rows_by_template

# Of a template's rows: a word or passage that so many of them hold is the template's wording.
WORDING = 0.5
# Of the smaller row's own words that two rows of one example share.
SHARED = 0.7
PASSAGE = 8
_WORD = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    """Lower-case words; punctuation does not count."""
    return _WORD.findall(text.lower())


def passages(text: str) -> set[str]:
    """All runs of eight words."""
    found = words(text)
    return {" ".join(found[start : start + PASSAGE]) for start in range(len(found) - PASSAGE + 1)}


def own(parts: Sequence[set[str]]) -> list[set[str]]:
    """The parts, each without what at least half of them hold. All are of one template."""
    counts = Counter(part for row in parts for part in row)
    wording = {part for part, count in counts.items() if len(parts) > 1 and count >= WORDING * len(parts)}
    return [row - wording for row in parts]


def own_passages(rows: Sequence[PoolRow]) -> set[str]:
    """The passages of some rows that are no template's wording."""
    found: set[str] = set()
    for numbers in rows_by_template(rows, range(len(rows))).values():
        found.update(*own([passages(rows[number].input) for number in numbers]))
    return found


def shares_passage(row: PoolRow, wanted: set[str]) -> bool:
    """Whether a row's input or target holds one of the passages."""
    return not wanted.isdisjoint(passages(row.input)) or not wanted.isdisjoint(passages(row.target))


def examples(rows: Sequence[PoolRow]) -> NDArray[np.int32]:
    """Which example each row comes from; rows that share most of their own words, directly or by others, are one.

    It errs on the side of putting too much together: a passage with ten questions is one example.

    Returns:
        Shape: (rows,), int32, from 0 on.
    """
    held: list[set[str]] = [set() for _ in rows]
    for numbers in rows_by_template(rows, range(len(rows))).values():
        for number, found in zip(numbers, own([set(words(rows[number].input)) for number in numbers]), strict=True):
            held[number] = found
    bags = _bags(held)
    shared = (bags @ bags.T).tocoo()
    sizes = np.maximum(np.asarray(bags.sum(axis=1)).ravel(), 1)
    smaller = np.minimum(sizes[shared.row], sizes[shared.col])
    same = shared.data >= SHARED * smaller
    graph = csr_matrix((np.ones(int(same.sum())), (shared.row[same], shared.col[same])), shape=shared.shape)
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels, dtype=np.int32)


def _bags(held: Sequence[set[str]]) -> csr_matrix:
    """Rows by words, 1 where a row holds the word."""
    numbers: dict[str, int] = {}
    columns = [numbers.setdefault(word, len(numbers)) for row in held for word in sorted(row)]
    starts = np.cumsum([0, *map(len, held)])
    return csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(held), max(1, len(numbers))))


def clean_rows(rows: Sequence[PoolRow], wanted: set[str]) -> Iterator[bool]:
    """For each row, whether it shares none of the passages."""
    return (not shares_passage(row, wanted) for row in rows)
