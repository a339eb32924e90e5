"""Intervals and tests against exact enumeration and known distributions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tart_train.evaluation.bootstrap import generator, holm, interval, randomisation_p, resampled_means
from tart_train.evaluation.compare import Paired, differences


def test_draws_are_means_of_resampled_rows() -> None:
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    drawn = resampled_means(values, 5_000, generator(1, "set"))
    assert drawn.shape == (5_000, 2)
    assert drawn[:, 1] == pytest.approx(10 * drawn[:, 0])
    possible = {round(sum(rows) / 3, 9) for rows in product((1, 2, 4), repeat=3)}
    assert set(np.round(drawn[:, 0], 9)) == possible
    assert drawn[:, 0].mean() == pytest.approx(7 / 3, abs=0.05)


def test_a_set_has_the_same_draws_whatever_stands_beside_it() -> None:
    values = np.arange(6.0)[:, None]
    first, again = (resampled_means(values, 10, generator(1, "set")) for _ in range(2))
    assert (first == again).all()
    assert (first != resampled_means(values, 10, generator(1, "other"))).any()


def test_intervals_hold_the_true_mean_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    held = 0
    for trial in range(200):
        low, high = interval(resampled_means(random.normal(5, 2, (60, 1)), 400, generator(trial, ""))[:, 0])
        held += low <= 5 <= high
    assert 0.89 <= held / 200 <= 0.99


def test_randomisation_against_all_sign_flips() -> None:
    gained = np.array([3.0, -1.0, 2.0, 2.0, 0.5, 1.0, -0.5, 4.0])
    flips = np.array(list(product((-1, 1), repeat=8))) @ gained / 8
    exact = float((np.abs(flips) >= abs(gained.mean()) - 1e-12).mean())
    assert randomisation_p([gained], 20_000, generator(0, "")) == pytest.approx(exact, abs=0.01)


def test_no_difference_is_never_sure() -> None:
    assert randomisation_p([np.zeros(5), np.zeros(9)], 100, generator(0, "")) == 1


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1, 1]


def test_rows_of_a_comparison() -> None:
    random = np.random.default_rng(8)
    base = random.uniform(20, 60, 80)
    pairs = [Paired("better", base, base + random.normal(8, 2, 80)), Paired("same", base, base)]
    better, same, mean = differences(pairs, 13, 500, 999)
    assert better.difference == pytest.approx(better.b - better.a)
    assert better.low < better.difference < better.high
    assert (better.p, better.p_holm) == pytest.approx((0.001, 0.002))
    assert (same.low, same.difference, same.high, same.p_holm) == (0, 0, 0, 1)
    assert mean.name == "mean"
    assert mean.difference == pytest.approx(better.difference / 2)
