"""Selection from an open index in one step, for small requests: no files, no filters, nothing to resume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tart.encoder import Encoder
from tart.errors import QueryError
from tart_index.folder import IndexFolder
from tart_index.selection.best_target import BestTarget
from tart_index.selection.candidates import (
    Candidate,
    Candidates,
    by_best_score,
    by_count,
    in_turns,
    target_lists,
    union_of,
)
from tart_index.selection.options import SelectionOptions
from tart_index.selection.pool import Order
from tart_index.selection.scoring import score_pool
from tart_index.selection.targets import target_vectors
from tart_index.selection.top_k import TopK
from tart_index.selection.vectors import PoolVectors


class FolderSelection(NamedTuple):
    """Documents of an index that are like some targets.

    Attributes:
        candidates: Best first; rows are those of the folder.
        considered: Documents that the method had to choose from.
    """

    candidates: list[Candidate]
    considered: int


def select_from_folder(
    folder: IndexFolder, encoder: Encoder, targets: Sequence[str], options: SelectionOptions
) -> FolderSelection:
    """Chooses documents by "deft", "rds" or "round-robin"; equal scores in the order of the corpus.

    Args:
        folder: The pool.
        encoder: The one that made it.
        targets: Not blank.
        options: Method, neighbours, budget and instruction count.

    Raises:
        QueryError: The method looks at more than vectors, or the instruction cannot be read.
    """
    if not options.scores_vectors or options.over != "targets":
        raise QueryError(f"method {options.method} cannot choose from vectors alone; wanted deft, rds or round-robin")
    vectors = PoolVectors.of(folder)
    order = Order.of_rows(len(vectors))
    asked = target_vectors(targets, options.instruction, encoder)
    if options.method == "rds":
        best = BestTarget(len(vectors))
        score_pool(vectors, asked, best, encoder.hardware)
        found, considered = by_best_score(best, order), len(vectors)
    else:
        top = TopK(len(asked), options.neighbours, order.places)
        score_pool(vectors, asked, top, encoder.hardware)
        neighbours = top.neighbours(order.by_place)
        union = union_of(neighbours)
        found = by_count(union, order) if options.method == "deft" else in_turns(target_lists(neighbours))
        considered = len(union.rows)
    stored = None if folder.alive is None else np.flatnonzero(folder.alive)
    chosen = _taken(found, options.budget)
    if stored is not None:
        chosen = [one._replace(row=int(stored[one.row])) for one in chosen]
    return FolderSelection(chosen, considered)


def _taken(candidates: Candidates, most: int | None) -> list[Candidate]:
    """The first candidates, each told that it was chosen."""
    taken: list[Candidate] = []
    candidate = next(candidates, None)
    while candidate is not None and (most is None or len(taken) < most):
        taken.append(candidate)
        try:
            candidate = candidates.send(True)
        except StopIteration:
            break
    candidates.close()
    return taken
