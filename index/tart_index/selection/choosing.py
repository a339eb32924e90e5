"""From candidates to a selection: who comes in, in which order, and what the user should know of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tart.normal import text_key
from tart_index.selection.admission import Admission, Admitted, admit
from tart_index.selection.candidates import Candidate
from tart_index.selection.chosen import Chosen, Selection
from tart_index.selection.diversity import considered, diverse
from tart_index.selection.evaluation_texts import EvaluationTexts
from tart_index.selection.options import Method, SelectionOptions
from tart_index.selection.pool import Pool
from tart_index.selection.ranking import Ranking
from tart_index.selection.stage import Stages
from tart_index.selection.targets import Targets


class Choosing:
    """Makes selections of one pool for one target, all under the same conditions.

    Args:
        pool: The rows.
        targets: What they should be like.
        options: The conditions.
        evaluation: Texts that must not be trained on; None for none.
        ranking: Gives candidates.
        stages: Is told how it goes on.
    """

    def __init__(
        self,
        pool: Pool,
        targets: Targets,
        options: SelectionOptions,
        evaluation: EvaluationTexts | None,
        ranking: Ranking,
        stages: Stages,
    ) -> None:
        self._pool = pool
        self._targets = targets
        self._options = options
        self._evaluation = evaluation
        self._ranking = ranking
        self._stages = stages

    def selection(self) -> Selection:
        """What the method of the options chooses."""
        budget, weight = self._options.budget, self._options.diversity
        most = budget if weight is None or budget is None else considered(budget)
        admitted, candidates = self._admitted(self._options.method, most)
        chosen = admitted.candidates
        if weight is not None and budget is not None:
            chosen = self._diverse(chosen, weight, budget)
        return self._selection(self._options.method, chosen, admitted, candidates, budget)

    def control(self, method: Method, size: int) -> Selection:
        """What another method chooses under the same conditions, as many rows."""
        admitted, candidates = self._admitted(method, size)
        return self._selection(method, admitted.candidates, admitted, candidates, size)

    def _admitted(self, method: Method, most: int | None) -> tuple[Admitted, int | None]:
        ranked = self._ranking.ranked(method, most)
        self._stages.start("choosing", most)
        admission = Admission(self._options, self._pool, self._targets, self._evaluation)
        return admit(ranked.candidates, admission, most, self._stages.done), ranked.size

    def _diverse(self, candidates: Sequence[Candidate], weight: float, budget: int) -> list[Candidate]:
        assert self._pool.vectors is not None
        rows = np.array([candidate.row for candidate in candidates], np.int64)
        return diverse(candidates, self._pool.vectors.rows(rows), weight, budget)

    def _selection(
        self,
        method: Method,
        chosen: Sequence[Candidate],
        admitted: Admitted,
        candidates: int | None,
        budget: int | None,
    ) -> Selection:
        count = admitted.looked_at if candidates is None else candidates
        rows = tuple(self._chosen(rank, candidate) for rank, candidate in enumerate(chosen, start=1))
        notes = [*self._short(len(rows), count, budget, method), *self._targets_in(rows)]
        return Selection(method, rows, count, dict(sorted(admitted.dropped.items())), tuple(notes))

    def _chosen(self, rank: int, candidate: Candidate) -> Chosen:
        return Chosen(
            rank=rank,
            row=candidate.row,
            id=self._pool.id_of(candidate.row),
            score=None if math.isnan(candidate.score) else candidate.score,
            count=candidate.votes,
            target=None if candidate.target < 0 else self._targets.examples[candidate.target].id,
            task=self._pool.task_name(candidate.row),
            pool=self._pool.name,
        )

    def _short(self, chosen: int, candidates: int, budget: int | None, method: Method) -> list[str]:
        if not chosen:
            return [f"{method}: no row was chosen; all {candidates:,} candidates were left out"]
        if budget is None or chosen >= budget:
            return []
        more = "" if method in {"rds", "random", "balanced"} else "; more neighbours give more"
        found = f"{method}: {chosen:,} rows instead of {budget:,}"
        return [f"{found}: all that could be chosen of {candidates:,} candidates{more}"]

    def _targets_in(self, rows: Sequence[Chosen]) -> list[str]:
        """Tells of rows whose input is a target's: trained on, they would show their answers."""
        keys = {text_key(text) for text in self._targets.texts}
        same = sum(text_key(self._pool.examples[one.row].input) in keys for one in rows)
        if not same:
            return []
        return [f"{same:,} chosen rows have the input of a target example; --exclude-targets leaves such rows out"]
