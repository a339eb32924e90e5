"""Rankings as TREC run files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tart_train.evaluation.conditions import BARE, RIGHT, WRONG
from tart_train.evaluation.corpora import Corpora
from tart_train.evaluation.ranking import Keys, scores_of
from tart_train.evaluation.set_result import SetResult
from tart_train.evaluation.settings import RunFiles

_MAIN = (BARE, RIGHT, WRONG)
_STEP = 1e-6


def write_runs(folder: Path, corpora: Corpora, own: int, result: SetResult, which: RunFiles) -> None:
    """Writes ``SET.CONDITION.SCOPE.trec`` for the wanted conditions; reranked ones count as their conditions."""
    if which == "none":
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, keys in result.keys.items():
        condition, scope = name.split("/")
        if which == "all" or condition.partition("+")[0] in _MAIN:
            file = folder / f"{result.name}.{condition}.{scope}.trec"
            with file.open("w", encoding="utf-8") as stream:
                stream.writelines(_lines(corpora, own, result, keys, condition))


def _lines(corpora: Corpora, own: int, result: SetResult, keys: Keys, condition: str) -> Iterator[str]:
    scores = _falling(scores_of(keys))
    for query, documents, row in zip(
        result.plan.judged.queries, corpora.rankings(own, keys), scores.tolist(), strict=True
    ):
        for rank, (document, score) in enumerate(zip(documents, row, strict=True), start=1):
            yield f"{query.id} Q0 {document} {rank} {score:.6f} {condition}\n"


def _falling(
    scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The scores, equal ones a millionth apart: trec_eval reads the scores, not the ranks, and has its own tie rule."""
    steps = _STEP * np.arange(scores.shape[1])
    falling: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.minimum.accumulate(scores + steps, axis=1) - steps
    return falling
