"""Where evaluation finds the words of instructions: a set's card first, then the packaged table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tart_train.dataset import Query
from tart_train.evaluation.judged_set import JudgedSet
from tart_train.examples import DataError

_PLACEHOLDER = "{facet}"


@dataclass(frozen=True, slots=True)
class HeldOutWordings:
    """Wordings that training never reads.

    Attributes:
        wordings: Set -> wordings, the canonical one first; those of a facet set hold ``{facet}``.
        facets: Set -> value of its facet -> phrases that stand for ``{facet}``.
    """

    wordings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    facets: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    @classmethod
    def packaged(cls) -> HeldOutWordings:
        """Those that ship with the package."""
        return cls()

    def of(self, judged: JudgedSet) -> tuple[str, ...]:
        """A set's wordings, white space collapsed, no wording twice; empty where every query carries its own.

        Raises:
            DataError: Some query has no instruction.
        """
        card = judged.card
        found = card.held_out_instructions or card.instructions or self.wordings.get(judged.name, ())
        kept = tuple(dict.fromkeys(" ".join(wording.split()) for wording in found))
        if not kept and not all(query.instruction for query in judged.queries):
            raise DataError(
                f"set {judged.name!r} has no instructions; add a list `held_out_instructions` to its card.json, or "
                "give every query an `instruction`"
            )
        return kept

    def instruction(self, judged: JudgedSet, query: Query, wording: str) -> str:
        """What a query is asked under: its own instruction, else the wording with the query's facet put in.

        Raises:
            DataError: The wording wants a facet that has no phrase.
        """
        if query.instruction:
            return query.instruction
        if _PLACEHOLDER not in wording:
            return wording
        value = str(query.metadata.get(judged.card.facet_field or "", ""))
        phrases = judged.card.facets.get(value) or self.facets.get(judged.name, {}).get(value)
        if not phrases:
            raise DataError(
                f"set {judged.name!r}: query {query.id!r} has the {judged.card.facet_field or 'facet'} {value!r}, "
                "which no phrase stands for; add it under `facets` in card.json"
            )
        return wording.replace(_PLACEHOLDER, phrases[0])
