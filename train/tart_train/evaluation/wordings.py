"""The words under which a set is evaluated: the held-out wordings of its card or of the packaged table."""

from __future__ import annotations

from dataclasses import dataclass

from tart_train.dataset import Query
from tart_train.evaluation.judged_set import JudgedSet
from tart_train.examples import DataError
from tart_train.instruction_table import PLACEHOLDER, InstructionTable, SetInstructions


@dataclass(frozen=True, slots=True)
class Wordings:
    """A set's instruction in several wordings.

    Attributes:
        texts: The canonical one first; empty where every query carries its own instruction.
        instructions: Where they come from, with the phrases of facets.
    """

    texts: tuple[str, ...]
    instructions: SetInstructions

    @classmethod
    def of(cls, judged: JudgedSet, table: InstructionTable, limit: int) -> Wordings:
        """The first `limit` wordings that training never reads; those for training where a card has only these.

        Raises:
            DataError: The set has none, and some query does not carry its own.
        """
        card = judged.card
        own = bool(card.instructions or card.held_out_instructions or card.facets)
        found = table.for_card(card) if own or card.name in table else SetInstructions(card.name)
        texts = tuple(dict.fromkeys(" ".join(text.split()) for text in found.held_out or found.train))
        if not texts and not all(query.instruction for query in judged.queries):
            raise DataError(
                f"set {judged.name!r} has no instructions; add a list `held_out_instructions` to its card.json, or "
                "give every query an `instruction`"
            )
        return cls(texts[:limit], found)

    def instruction(self, judged: JudgedSet, query: Query, number: int = 0) -> str:
        """What a query is asked under: its own instruction, else a wording, with a phrase for the query's facet.

        Raises:
            DataError: The wording wants a facet that has no phrase.
        """
        if query.instruction:
            return query.instruction
        wording = self.texts[number]
        if PLACEHOLDER not in wording:
            return wording
        field = judged.card.facet_field or "facet"
        value = str(query.metadata.get(field, ""))
        phrases = self.instructions.facets.get(value)
        if not phrases:
            raise DataError(
                f"set {judged.name!r}: query {query.id!r} has the {field} {value!r}, which no phrase stands for; "
                "add it under `facets` in card.json"
            )
        return wording.replace(PLACEHOLDER, phrases[number % len(phrases)])
