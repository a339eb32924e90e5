"""A held-out dataset: the target inputs, the rows that are scored, and the pool without it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.select.choices import Question, scored_question
from bench.select.pool import PoolRow, family
from bench.select.wording import examples, own_passages, shares_passage

# Sentiment, topic, paraphrase and multiple choice; the pool's other datasets offer no answers to choose from, or, in
# this sample, one label only (imdb, rotten_tomatoes, dbpedia_14).
TARGETS = (
    "ag_news",
    "amazon_polarity",
    "app_reviews",
    "commonsense_qa",
    "cosmos_qa",
    "dream",
    "glue_mrpc",
    "glue_qqp",
    "paws_labeled_final",
    "qasc",
    "quarel",
    "quartz",
    "sciq",
    "social_i_qa",
    "wiqa",
    "yelp_review_full",
)


class Removed(NamedTuple):
    """Rows that a target takes out of the pool.

    Attributes:
        family: Of the dataset, and of those made from the same source.
        passages: Of other datasets, but with eight words in a row of one of its rows.
    """

    family: int
    passages: int


class HeldOut(NamedTuple):
    """A target dataset, before it is split.

    Attributes:
        dataset: Its name.
        questions: Its rows that can be scored.
        example: For each question, the example it comes from. Shape: (questions,), int32.
        pool: Numbers of the rows that stay in the pool. Shape: (pool,), int64, ascending.
        removed: What does not.
    """

    dataset: str
    questions: Sequence[Question]
    example: NDArray[np.int32]
    pool: NDArray[np.int64]
    removed: Removed


class Split(NamedTuple):
    """The two sides of a target, which share no example.

    Attributes:
        asked: Rows whose inputs are the target of a selection; their answers are not read.
        scored: What a trained model is scored on.
    """

    asked: Sequence[Question]
    scored: Sequence[Question]


def hold_out(rows: Sequence[PoolRow], dataset: str, labels: Mapping[str, tuple[str, ...]]) -> HeldOut:
    """Takes a dataset out of the pool, with all that is of the same source or shares a passage with it."""
    numbers = [number for number, row in enumerate(rows) if row.dataset == dataset]
    inside = [rows[number] for number in numbers]
    found = [scored_question(rows, number, labels) for number in numbers]
    kept = [place for place, question in enumerate(found) if question is not None]
    others = [number for number, row in enumerate(rows) if family(row.dataset) != family(dataset)]
    wanted = own_passages(inside)
    pool = [number for number in others if not shares_passage(rows[number], wanted)]
    return HeldOut(
        dataset,
        [question for question in found if question is not None],
        examples(inside)[kept],
        np.asarray(pool, dtype=np.int64),
        Removed(len(rows) - len(others), len(others) - len(pool)),
    )


def split(target: HeldOut, seed: int, asked: int, scored: int) -> Split:
    """Draws both sides; a seed is a draw of its own.

    Half of the rows, by whole examples, are on either side, and of these so many are drawn.

    Args:
        target: The dataset.
        seed: Of the draw.
        asked: At most so many target inputs.
        scored: At most so many scored rows.
    """
    draw = random.Random(f"{seed}/{target.dataset}")  # noqa: S311 (an experiment's seed, no secret)
    places: dict[int, list[int]] = {}
    for place, example in enumerate(target.example.tolist()):
        places.setdefault(example, []).append(place)
    order = sorted(places)
    draw.shuffle(order)
    # The largest examples come first and so never leave a side nearly empty.
    order.sort(key=lambda example: len(places[example]) <= len(target.questions) // 10)
    sides: tuple[list[int], list[int]] = ([], [])
    for example in order:
        min(sides, key=len).extend(places[example])
    drawn = [
        [target.questions[place] for place in sorted(draw.sample(side, min(wanted, len(side))))]
        for side, wanted in zip(sides, (asked, scored), strict=True)
    ]
    return Split(*drawn)
