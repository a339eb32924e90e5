"""An evaluation from beginning to end: sets and a model in, a folder of reports out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tart.encoder import Encoder
from tart_train.evaluation.conditions import contrast_instructions, plans
from tart_train.evaluation.contrast import contrast_groups
from tart_train.evaluation.contrast_result import ContrastResult, evaluate_contrast
from tart_train.evaluation.corpora import Corpora
from tart_train.evaluation.judged_set import JudgedSet
from tart_train.evaluation.levels import by_level
from tart_train.evaluation.progress import Steps, steps
from tart_train.evaluation.reranking import PairScorer, SetReranker
from tart_train.evaluation.set_result import SetResult, evaluate_set
from tart_train.evaluation.settings import EvaluationSettings
from tart_train.evaluation.vectors import VectorStore
from tart_train.examples import DataError
from tart_train.instruction_table import InstructionTable


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that was measured.

    Attributes:
        encoder: The model.
        settings: What was asked.
        corpora: Documents by place, for the run files.
        sets: Sorted by name.
        contrasts: Sorted by name.
        levels: Level -> names of sets.
        seconds: Kind of step -> how long it took.
        reranker: Name and fingerprint; empty without one.
    """

    encoder: Encoder
    settings: EvaluationSettings
    corpora: Corpora
    sets: Sequence[SetResult]
    contrasts: Sequence[ContrastResult]
    levels: Mapping[str, Sequence[str]]
    seconds: Mapping[str, float]
    reranker: Mapping[str, str] = field(default_factory=dict)


def evaluate(
    encoder: Encoder,
    sets: Sequence[JudgedSet],
    contrast_sets: Sequence[JudgedSet] = (),
    *,
    out: Path,
    settings: EvaluationSettings | None = None,
    table: InstructionTable | None = None,
    levels: Mapping[str, str] | None = None,
    reranker: PairScorer | None = None,
    cache: bool = True,
) -> Evaluation:
    """Measures a model.

    Args:
        encoder: The bi-encoder.
        sets: For closed and pooled retrieval, sorted by name.
        contrast_sets: For obedience; each is searched alone.
        out: Where vectors are kept.
        settings: See `EvaluationSettings`.
        table: Instructions of sets; the packaged ones by default.
        levels: Set -> level of generalisation.
        reranker: Orders the top of each ranking anew.
        cache: Whether vectors stay in `out` for the next run.

    Raises:
        DataError: There is no set, or one cannot be evaluated; all are checked before anything is encoded.
    """
    settings = settings or EvaluationSettings()
    table = table or InstructionTable.packaged()
    if not sets and not contrast_sets:
        raise DataError("there is nothing to evaluate; name dataset folders with --sets or --contrast")
    limited = [judged.answerable().limited(settings.limit_queries) for judged in sets]
    planned = plans(limited, table, settings.paraphrases)
    for plan in planned:
        for condition in plan.conditions:
            plan.instructions(condition)
    contrasts = [(judged.limited(settings.limit_queries)) for judged in contrast_sets]
    instructions = [contrast_instructions(judged, table) for judged in contrasts]
    for judged in contrasts:
        contrast_groups(judged)
    on_level = by_level(levels, [judged.name for judged in sets]) if levels else {}
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = out / "vectors" if cache else Path(stack.enter_context(TemporaryDirectory(dir=out)))
        progress: Steps = stack.enter_context(steps())
        store = VectorStore(folder, encoder, progress)
        corpora = Corpora.encode(limited, store)
        rerank = SetReranker(reranker, corpora, settings.rerank_depth, progress) if reranker else None
        results = []
        for number, plan in enumerate(planned):
            result = evaluate_set(corpora, number, plan, store, settings.depth)
            results.append(rerank(number, result) if rerank else result)
        measured = [
            evaluate_contrast(judged, given, store, rerank.of_contrast(judged) if rerank else None)
            for judged, given in zip(contrasts, instructions, strict=True)
        ]
    about = {"name": reranker.name, "fingerprint": reranker.fingerprint} if reranker else {}
    return Evaluation(encoder, settings, corpora, results, measured, on_level, dict(progress.seconds), about)
