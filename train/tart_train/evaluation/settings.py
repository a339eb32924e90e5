"""What an evaluation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tart_train.examples import DataError

RunFiles = Literal["none", "main", "all"]


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """Everything besides the model and the sets that decides a report's figures.

    Attributes:
        paraphrases: Wordings of each set's instruction that are tried, the canonical one among them.
        limit_queries: Queries of a set that are evaluated, at most; chosen by a hash of their ids. None takes all.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
        depth: Documents of a ranking that are kept.
        rerank_depth: Documents that a reranker sees.
        run_files: Which rankings are written: none, those of the bare, right and wrong conditions, or all.

    Raises:
        DataError: A count is below 1.
    """

    paraphrases: int = 10
    limit_queries: int | None = None
    seed: int = 13
    resamples: int = 2_000
    depth: int = 100
    rerank_depth: int = 50
    run_files: RunFiles = "main"

    def __post_init__(self) -> None:
        for name in ("paraphrases", "resamples", "depth", "rerank_depth"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} is {getattr(self, name)}; wanted 1 or more")
        if self.limit_queries is not None and self.limit_queries < 1:
            raise DataError(f"limit_queries is {self.limit_queries}; wanted 1 or more, or none for all")
        if self.rerank_depth > self.depth:
            raise DataError(f"rerank_depth is {self.rerank_depth}; wanted at most {self.depth}, the ranking's depth")
