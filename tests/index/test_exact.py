from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tart.errors import DependencyError
from tart_index.exact import ExactSearch


def unit_rows(rng: np.random.Generator, rows: int, dim: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 30), min_size=1, max_size=5),
    st.integers(1, 25),
    st.integers(1, 40),
)
def test_finds_what_brute_force_finds(seed: int, sizes: list[int], queries: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [unit_rows(rng, size, 8) for size in sizes]
    asked = unit_rows(rng, queries, 8)
    found = ExactSearch(parts, threads=2).search(asked, k)
    scores = asked @ np.concatenate(parts).T
    wanted = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert found.rows.shape == (queries, min(k, sum(sizes)))
    assert np.allclose(found.scores, np.take_along_axis(scores, wanted, axis=1), atol=1e-6)
    # Rows whose scores differ by rounding alone may change places.
    assert all(len(set(rows)) == len(rows) for rows in found.rows.tolist())
    assert np.allclose(found.scores, np.take_along_axis(scores, found.rows, axis=1), atol=1e-6)


def test_equal_scores_come_in_the_order_of_the_rows() -> None:
    same = np.tile(np.array([[1, 0]], dtype=np.float32), (4, 1))
    found = ExactSearch([same, same, same], threads=1).search(same[:1], 12)
    assert found.rows[0].tolist() == list(range(12))


def test_without_faiss_the_error_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(DependencyError, match=r"pip install 'tart-retrieval\[cpu\]'"):
        ExactSearch([], threads=1)
