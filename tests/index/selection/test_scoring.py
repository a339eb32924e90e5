from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tart.engines import Hardware
from tart_index.selection import product
from tart_index.selection.best_target import BestTarget
from tart_index.selection.checkpoint import Checkpoint
from tart_index.selection.keys import keys_of, places_of, scores_of
from tart_index.selection.scoring import score_pool
from tart_index.selection.top_k import TopK
from tart_index.selection.vectors import PoolVectors

CPU = Hardware("cpu", "float32", 2)


def whole_numbers(rng: np.random.Generator, rows: int, dim: int = 6) -> NDArray[np.float32]:
    """Vectors of small whole numbers: products are exact in any order, and many are equal."""
    return rng.integers(-2, 3, (rows, dim)).astype(np.float32)


def brute_force(
    vectors: NDArray[np.float32], targets: NDArray[np.float32], places: NDArray[np.uint32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    scores = targets @ vectors.T
    order = np.array([np.lexsort((places, -row)) for row in scores])[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    targets=st.integers(1, 9),
    k=st.integers(1, 60),
    block=st.integers(1, 50),
    tile=st.integers(1, 9),
    narrowest=st.integers(1, 4),
    threads=st.integers(1, 3),
)
def test_top_k_is_that_of_brute_force(
    seed: int, sizes: list[int], targets: int, k: int, block: int, tile: int, narrowest: int, threads: int
) -> None:
    rng = np.random.default_rng(seed)
    parts = [whole_numbers(rng, size) for size in sizes]
    rows = sum(sizes)
    asked = whole_numbers(rng, targets)
    by_place = rng.permutation(rows)
    places = np.empty(rows, np.uint32)
    places[by_place] = np.arange(rows, dtype=np.uint32)
    best = TopK(targets, k, places)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(product, "TILE", tile)
        patched.setattr(product, "NARROWEST", narrowest)
        score_pool(PoolVectors(parts, block=block), asked, best, Hardware("cpu", "float32", threads))
    found = best.neighbours(by_place)
    wanted_rows, wanted_scores = brute_force(np.concatenate(parts), asked, places, k)
    assert np.array_equal(found.rows, wanted_rows)
    assert np.array_equal(found.scores, wanted_scores)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 120), targets=st.integers(1, 9), block=st.integers(1, 50))
def test_best_target_is_that_of_brute_force(seed: int, rows: int, targets: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, asked = whole_numbers(rng, rows), whole_numbers(rng, targets)
    best = BestTarget(rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(product, "TILE", 4)
        score_pool(PoolVectors([vectors], block=block), asked, best, CPU)
    scores = asked @ vectors.T
    assert np.array_equal(best.scores, scores.max(axis=0))
    assert np.array_equal(best.targets, scores.argmax(axis=0))


def test_a_thousand_equal_rows_are_settled_by_place() -> None:
    same = np.ones((1_000, 4), np.float32)
    places = np.arange(1_000, dtype=np.uint32)[::-1].copy()
    best = TopK(2, 10, places)
    score_pool(PoolVectors([same], block=64), same[:2], best, CPU)
    assert best.neighbours(places.astype(np.int64)).rows.tolist() == [list(range(999, 989, -1))] * 2


def test_an_error_in_one_of_several_threads_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "NARROWEST", 2)
    top = TopK(8, 2, np.arange(6, dtype=np.uint32))
    with pytest.raises(_StoppedError):
        score_pool(
            PoolVectors([np.eye(6, dtype=np.float32)]), np.eye(8, 6, dtype=np.float32), _ScoresUntil(top, 0), CPU
        )
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tart-score")]


def test_deleted_rows_do_not_count() -> None:
    parts = [np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)[::-1].copy()]
    vectors = PoolVectors(parts, [np.array([0, 2]), np.array([1, 2, 3])], block=2)
    assert len(vectors) == 5
    assert [vectors.block(n).argmax(axis=1).tolist() for n in range(vectors.blocks)] == [[0, 2], [2, 1], [0]]
    assert vectors.rows(np.array([1, 4])).argmax(axis=1).tolist() == [2, 0]


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=30))
def test_keys_sort_by_score_and_then_by_place(values: list[float]) -> None:
    scores = np.array(values, np.float32)
    places = np.random.default_rng(0).permutation(len(values)).astype(np.uint32)
    keys = keys_of(scores, places)
    assert np.argsort(keys)[::-1].tolist() == np.lexsort((places, -scores)).tolist()
    assert np.array_equal(scores_of(keys), scores)
    assert np.array_equal(places_of(keys), places)


def test_the_key_of_no_row_is_below_all_others() -> None:
    none = np.zeros(1, np.uint64)
    assert keys_of(np.array([-3e38], np.float32), np.array([2**32 - 3], np.uint32))[0] > none[0]
    assert scores_of(none)[0] == -np.inf
    assert places_of(none)[0] == -1


class _StoppedError(Exception):
    pass


class _ScoresUntil:
    """Scores that end the run at a block."""

    def __init__(self, inner: TopK | BestTarget, first_row: int) -> None:
        self.by_target = inner.by_target
        self._inner = inner
        self._first_row = first_row

    def add(self, first_target: int, first_row: int, tile: Any) -> None:
        if first_row >= self._first_row:
            raise _StoppedError
        self._inner.add(first_target, first_row, tile)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self._inner.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._inner.restore(arrays)


@pytest.mark.parametrize("kind", ["top", "best"])
def test_goes_on_where_it_was_stopped(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(3)
    pool, asked = rng.standard_normal((500, 8)).astype(np.float32), rng.standard_normal((7, 8)).astype(np.float32)
    vectors = PoolVectors([pool], block=64)

    def scores() -> TopK | BestTarget:
        return TopK(7, 20, np.arange(500, dtype=np.uint32)) if kind == "top" else BestTarget(500)

    whole, first, second = scores(), scores(), scores()
    score_pool(vectors, asked, whole, CPU)
    with pytest.raises(_StoppedError):
        score_pool(vectors, asked, _ScoresUntil(first, 256), CPU, Checkpoint(tmp_path / "s", "run", seconds=0))
    done: list[int] = []
    score_pool(vectors, asked, second, CPU, Checkpoint(tmp_path / "s", "run", seconds=0), done.append)
    assert done == [256, 64, 64, 64, 52]
    for name, array in whole.arrays().items():
        assert np.array_equal(np.sort(array, axis=-1), np.sort(second.arrays()[name], axis=-1))


@pytest.mark.parametrize("damage", ["another identity", "a changed byte", "cut short", "not there"])
def test_a_checkpoint_that_is_not_whole_counts_as_none(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "scores.bin"
    Checkpoint(file, "run").save(3, {"a": np.arange(5), "b": np.ones((2, 3), np.float32)})
    found = Checkpoint(file, "run").load()
    assert found is not None
    assert found[0] == 3
    assert found[1]["a"].tolist() == [0, 1, 2, 3, 4]
    assert found[1]["b"].tolist() == [[1, 1, 1], [1, 1, 1]]
    content = file.read_bytes()
    if damage == "a changed byte":
        file.write_bytes(content[:-1] + b"\x01")
    elif damage == "cut short":
        file.write_bytes(content[:-1])
    elif damage == "not there":
        file.unlink()
    assert Checkpoint(file, "other" if damage == "another identity" else "run").load() is None
