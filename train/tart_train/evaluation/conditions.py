"""The conditions under which a set's queries are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tart_train.evaluation.judged_set import JudgedSet
from tart_train.evaluation.wordings import Wordings
from tart_train.evaluation.wrong import WrongInstruction, wrong_for
from tart_train.instruction_table import InstructionTable

BARE, RIGHT, WRONG = "bare", "right", "wrong"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a set's queries are asked under.

    Attributes:
        judged: The set.
        wordings: Its instruction in several wordings.
        wrong: Another task's instruction.
    """

    judged: JudgedSet
    wordings: Wordings
    wrong: WrongInstruction

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of all conditions; ``right`` is the first paraphrase."""
        return (BARE, *self.paraphrases, WRONG)

    @property
    def paraphrases(self) -> tuple[str, ...]:
        """Names of the conditions that say the same in other words, the canonical one first."""
        return (RIGHT, *(f"paraphrase-{number}" for number in range(2, len(self.wordings.texts) + 1)))

    def instructions(self, condition: str) -> list[str]:
        """The instruction of every query; "" is none."""
        if condition == BARE:
            return [""] * len(self.judged.queries)
        if condition == WRONG:
            return [self.wrong.text] * len(self.judged.queries)
        number = self.paraphrases.index(condition)
        return [self.wordings.instruction(self.judged, query, number) for query in self.judged.queries]


def plans(sets: Sequence[JudgedSet], table: InstructionTable, paraphrases: int) -> list[Plan]:
    """A plan for each set.

    Raises:
        DataError: A set has no instruction.
    """
    wordings = {judged.name: Wordings.of(judged, table, paraphrases) for judged in sets}
    canonical = {name: one.texts[0] for name, one in wordings.items() if one.texts and not one.instructions.facets}
    return [Plan(judged, wordings[judged.name], wrong_for(judged, sets, canonical)) for judged in sets]


def contrast_instructions(judged: JudgedSet, table: InstructionTable) -> list[str]:
    """The instruction of every query of a contrast set, in the canonical wording.

    Raises:
        DataError: A query has none.
    """
    wordings = Wordings.of(judged, table, 1)
    return [wordings.instruction(judged, query) for query in judged.queries]
