"""Typed training examples, BERRI style: a query, what is asked for, what fits it and what does not.

BERRI (Asai et al. 2022, section 3) pairs every query with its dataset's instructions. Here a row may also carry
instructions of its own, which is what teaches a model to obey rather than to tolerate them (Promptriever, Weller et
al. 2024).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from tart.errors import TartError

NegativeKind = Literal["judged", "hard", "unfollowing", "polarity", "random"]
NEGATIVE_KINDS: tuple[str, ...] = get_args(NegativeKind)


class DataError(TartError):
    """Training or evaluation data that cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class Negative:
    """A document that must rank below the positives.

    Attributes:
        id: Of the document.
        kind: ``judged`` not relevant by a person; ``hard`` for the query, denoised; ``unfollowing``: relevant to the
            query, wrong for the instruction; ``polarity``: right under the complementary instruction; ``random``.
        score: What the mining model gave it, where one did.
    """

    id: str
    kind: NegativeKind
    score: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in NEGATIVE_KINDS:
            raise DataError(f"negative {self.id!r}: found the kind {self.kind!r}; wanted one of {NEGATIVE_KINDS}")
        if self.score is not None and not math.isfinite(self.score):
            raise DataError(f"negative {self.id!r}: the score is {self.score}; wanted a finite number or none")


@dataclass(frozen=True, slots=True)
class Example:
    """One training row.

    Attributes:
        id: Unique in its file.
        dataset: Name of the set that it comes from.
        query: Not blank.
        positives: Ids of documents that answer the query under the instruction; at least one.
        negatives: In the order of their worth.
        instructions: Wordings of this row's own instruction, one of which is drawn each epoch; empty means that the
            dataset's instructions are drawn from.
        task: What the row teaches ("medquad", "facet", "unit", "mentions", ...); rows are sampled by task.
        group: Rows of one group ask different things of the same documents and belong into one batch; "" is no group.

    Raises:
        DataError: The query is blank, there is no positive, a document is both, or a wording is empty or "nan".
    """

    id: str
    dataset: str
    query: str
    positives: tuple[str, ...]
    negatives: tuple[Negative, ...] = ()
    instructions: tuple[str, ...] = ()
    task: str = ""
    group: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise DataError(f"example {self.id!r} has an empty query; drop the row or give it one")
        if not self.positives:
            raise DataError(f"example {self.id!r} has no positive document; every row needs one")
        both = set(self.positives) & {negative.id for negative in self.negatives}
        if both:
            raise DataError(f"example {self.id!r}: {sorted(both)[0]!r} is both positive and negative")
        check_instructions(self.instructions, f"example {self.id!r}")


def check_instructions(instructions: Sequence[object], where: str) -> None:
    """Refuses wordings that are no text.

    The released TART code turned empty cells into the prompt "nan" for more than half of its samples.

    Raises:
        DataError: A wording is empty, not a string, or what an empty table cell becomes.
    """
    for wording in instructions:
        if not isinstance(wording, str) or wording.strip().lower() in ("", "nan", "none", "null", "n/a"):
            raise DataError(f"{where}: found the instruction {wording!r}; wanted words, or no row at all")
