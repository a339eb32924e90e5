"""Evaluation of retrievers under instructions: closed and pooled corpora, wordings, contrasts, comparisons."""

from typing import TYPE_CHECKING

from tart.lazy import lazy_names

if TYPE_CHECKING:
    from tart_train.evaluation.compare import compare_folders
    from tart_train.evaluation.judged_set import JudgedSet
    from tart_train.evaluation.run import evaluate
    from tart_train.evaluation.settings import EvaluationSettings

__all__ = ["EvaluationSettings", "JudgedSet", "compare_folders", "evaluate"]

__getattr__ = lazy_names(
    __name__,
    {
        "EvaluationSettings": "tart_train.evaluation.settings",
        "JudgedSet": "tart_train.evaluation.judged_set",
        "compare_folders": "tart_train.evaluation.compare",
        "evaluate": "tart_train.evaluation.run",
    },
)
