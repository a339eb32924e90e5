from __future__ import annotations

import numpy as np
import pytest

from tart_index.gather import gather


@pytest.mark.parametrize("count", [0, 1, 64, 65, 500])
def test_rows_come_in_the_order_asked_for(count: int) -> None:
    rng = np.random.default_rng(count)
    parts = [rng.random((size, 3)).astype(np.float32) for size in (7, 1, 90, 13)]
    starts = np.cumsum([0, *map(len, parts)])
    rows = rng.integers(0, starts[-1], count)
    assert np.array_equal(gather(parts, starts, rows), np.concatenate(parts)[rows])


@pytest.mark.parametrize("count", [5, 100])
def test_only_rows_that_count_are_counted(count: int) -> None:
    rng = np.random.default_rng(count)
    parts = [rng.random((size, 3)).astype(np.float32) for size in (20, 30)]
    counted = [np.array([1, 4, 19]), np.array([0, 29])]
    starts = np.array([0, 3, 5])
    rows = rng.integers(0, 5, count)
    kept = np.concatenate([part[some] for part, some in zip(parts, counted, strict=True)])
    assert np.array_equal(gather(parts, starts, rows, counted), kept[rows])
