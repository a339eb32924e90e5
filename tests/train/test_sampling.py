"""Batches: shares, whole groups, one task or many, the same from any step on."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from tart_train.recipe import RecipeError, SamplingSettings
from tart_train.sampling import Draw, Schedule

TASKS = ["big"] * 900 + ["small"] * 100 + ["contrast"] * 120
GROUPS = [""] * 1000 + [f"g{row // 3}" for row in range(120)]


def schedule(seed: int = 0, **settings: object) -> Schedule:
    return Schedule(TASKS, GROUPS, SamplingSettings(batch_size=16, **settings), seed)  # type: ignore[arg-type]


def test_shares_are_sizes_to_the_power_alpha() -> None:
    weighed = {"big": 30.0, "small": 10.0 * 2, "contrast": 120**0.5}
    total = sum(weighed.values())
    found = schedule(alpha=0.5, weights={"small": 2.0}).shares
    assert found == pytest.approx({task: weight / total for task, weight in weighed.items()})


@pytest.mark.parametrize("homogeneous", [0.0, 1.0])
def test_rows_are_drawn_by_their_shares(homogeneous: float) -> None:
    found = schedule(homogeneous=homogeneous)
    drawn = Counter(TASKS[draw.row] for batch in islice(found.batches(), 1500) for draw in batch)
    total = sum(drawn.values())
    for task, share in found.shares.items():
        assert drawn[task] / total == pytest.approx(share, abs=0.03)


def test_groups_stay_whole_and_batches_keep_to_their_size() -> None:
    for batch in islice(schedule(homogeneous=0.5).batches(), 300):
        assert 0 < len(batch) <= 16
        assert len({draw.row for draw in batch}) == len(batch)
        members = Counter(GROUPS[draw.row] for draw in batch if GROUPS[draw.row])
        assert set(members.values()) <= {3}


def test_homogeneous_batches_hold_one_task() -> None:
    batches = list(islice(schedule(homogeneous=0.5).batches(), 400))
    pure = sum(len({TASKS[draw.row] for draw in batch}) == 1 for batch in batches)
    assert pure / 400 == pytest.approx(0.5, abs=0.08)


def test_a_task_is_gone_through_before_it_starts_again() -> None:
    rows: dict[int, list[int]] = {}
    for batch in islice(schedule(weights={"big": 0.0, "contrast": 0.0}).batches(), 25):
        for draw in batch:
            rows.setdefault(draw.epoch, []).append(draw.row)
    assert sorted(rows[0]) == sorted(rows[1]) == list(range(900, 1000))
    assert rows[0] != rows[1]


def test_the_same_seed_gives_the_same_batches_from_any_step() -> None:
    whole = list(islice(schedule(seed=3).batches(), 40))
    assert list(islice(schedule(seed=3).batches(25), 15)) == whole[25:]
    assert list(islice(schedule(seed=4).batches(), 40)) != whole
    assert isinstance(whole[0][0], Draw)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RecipeError, match="names the task 'smal'; the mixture has big, small, contrast"):
        schedule(weights={"smal": 1.0})
    with pytest.raises(RecipeError, match="leaves every task out"):
        schedule(weights={"big": 0.0, "small": 0.0, "contrast": 0.0})
    with pytest.raises(RecipeError, match="a group of the task 'contrast' has 3 rows"):
        Schedule(TASKS, GROUPS, SamplingSettings(batch_size=2), 0)
