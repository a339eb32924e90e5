"""The answers among which a model chooses: those that a prompt lists, a template's labels, or other rows' answers."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.select.pool import PoolRow, rows_by_template

# More distinct answers than these are no label set.
MAX_LABELS = 6
_BULLET = re.compile(r"^\s*-\s+(?P<answer>\S.*?)\s*$")
_QUOTED = re.compile(r'between "(?P<first>[^"]+)"\s+and\s+"(?P<second>[^"]+)"')
_EITHER = re.compile(r"choices are (?P<first>.+?) or (?P<second>.+?) ?\)")
_POSSIBLE = re.compile(r"^Possible answers: (?P<answers>.+)$", re.MULTILINE)


class Question(NamedTuple):
    """A row of the pool with the answers to choose from.

    Attributes:
        row: Its number in the pool.
        answers: At least two, all different.
        right: Which of them is the row's target.
    """

    row: int
    answers: tuple[str, ...]
    right: int


def listed(row: PoolRow) -> tuple[str, ...] | None:
    """The answers that the prompt itself lists, or None where it lists none, or the target is not among them."""
    target = row.target.strip()
    found = (_bullets(row.input), _pair(_QUOTED, row.input), _pair(_EITHER, row.input), _possible(row.input))
    return next((answers for answers in found if target in answers and len(answers) > 1), None)


def _bullets(text: str) -> tuple[str, ...]:
    """The last run of lines that begin with a dash; blank lines in between do not end it."""
    runs: list[list[str]] = [[]]
    for line in text.splitlines():
        bullet = _BULLET.match(line)
        if bullet:
            runs[-1].append(bullet["answer"])
        elif line.strip() and runs[-1]:
            runs.append([])
    return _different(next((run for run in reversed(runs) if run), []))


def _pair(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    found = pattern.search(text)
    return _different([found["first"].strip(), found["second"].strip()]) if found else ()


def _possible(text: str) -> tuple[str, ...]:
    found = _POSSIBLE.search(text)
    return _different(found["answers"].strip().split(", ")) if found else ()


def _different(answers: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(answers))


def label_sets(rows: Sequence[PoolRow]) -> dict[str, tuple[str, ...]]:
    """The labels of each template that has a few, sorted.

    Templates of one wording but of several datasets (`imdb_Sentiment_with_choices_`, `rotten_tomatoes_Senti...`)
    share their labels, as the sample of a dataset may hold a single one.
    """
    labels: dict[str, set[str]] = {}
    for row in rows:
        labels.setdefault(_wording(row), set()).add(row.target.strip())
    few = {name: tuple(sorted(found)) for name, found in labels.items() if 1 < len(found) <= MAX_LABELS}
    return {row.template: few[_wording(row)] for row in rows if _wording(row) in few}


def _wording(row: PoolRow) -> str:
    return row.template.removeprefix(row.dataset).strip("_")


def scored_question(rows: Sequence[PoolRow], number: int, labels: Mapping[str, tuple[str, ...]]) -> Question | None:
    """The question of a target's row, or None where the row gives no answers to choose from.

    A target has to give its answers in its inputs or by its template: none is made up for it. Answers that are a
    letter name a place in a list, and are left out.
    """
    row = rows[number]
    answers = listed(row) or labels.get(row.template)
    if answers is None or all(len(answer) == 1 and answer.isalpha() for answer in answers):
        return None
    return Question(number, answers, answers.index(row.target.strip()))


class TrainingQuestions:
    """Questions from pool rows; where a row offers no answers, those of other rows of its template are drawn.

    Args:
        rows: The pool.
        labels: See `label_sets`.
        size: At most so many answers; the right one is always among them.
    """

    def __init__(self, rows: Sequence[PoolRow], labels: Mapping[str, tuple[str, ...]], size: int = 4) -> None:
        self._rows = rows
        self._labels = labels
        self._size = size
        by_template = rows_by_template(rows, range(len(rows)))
        self._targets = {
            template: _different([rows[number].target.strip() for number in numbers])
            for template, numbers in by_template.items()
        }

    def question(self, number: int, seed: int) -> Question | None:
        """The question of a row, the same for one seed; None for a template whose rows all have one answer."""
        row = self._rows[number]
        target = row.target.strip()
        known = listed(row) or self._labels.get(row.template) or self._targets[row.template]
        draw = random.Random(f"{seed}/{row.id}")  # noqa: S311 (an experiment's seed, no secret)
        wrong = draw.sample(range(len(known)), min(len(known), self._size))
        answers = [known[place] for place in wrong if known[place] != target][: self._size - 1]
        if not answers:
            return None
        right = draw.randrange(len(answers) + 1)
        return Question(number, (*answers[:right], target, *answers[right:]), right)
