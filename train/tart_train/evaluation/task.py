"""From the words of a command to an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tart.encoder import Encoder
from tart_train.evaluation.judged_set import open_sets
from tart_train.evaluation.levels import read_levels
from tart_train.evaluation.measures import ir_measures
from tart_train.evaluation.plots import figure_class
from tart_train.evaluation.reranking import PairScorer
from tart_train.evaluation.run import evaluate
from tart_train.evaluation.settings import EvaluationSettings
from tart_train.evaluation.write import write_evaluation


def run_evaluation(
    model: str, sets: Sequence[Path], contrast: Sequence[Path], out: Path, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Opens what is named, evaluates and writes.

    Returns:
        What `report.json` holds.

    Raises:
        DependencyError: A library that the reports need is missing; said before anything is encoded.
    """
    ir_measures()
    figure_class()
    asked = EvaluationSettings(
        paraphrases=settings["paraphrases"],
        limit_queries=settings["limit_queries"],
        seed=settings["seed"],
        rerank_depth=settings["rerank_depth"],
        run_files=settings["runs"],
    )
    levels = read_levels(settings["levels"]) if settings["levels"] else None
    judged, contrasts = open_sets(sets), open_sets(contrast)
    hardware = {name: settings[name] for name in ("device", "dtype", "threads")}
    encoder = Encoder.load(model, **hardware)
    evaluation = evaluate(
        encoder,
        judged,
        contrasts,
        out=out,
        settings=asked,
        levels=levels,
        reranker=_reranker(settings["rerank"], hardware) if settings["rerank"] else None,
        cache=not settings["no_cache"],
    )
    return write_evaluation(evaluation, out)


def _reranker(name: str, hardware: Mapping[str, Any]) -> PairScorer:
    from tart.reranker import Reranker

    scorer: PairScorer = Reranker.load(name, **hardware)
    return scorer
