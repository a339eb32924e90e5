"""The conditions under which a set's queries are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tart_train.evaluation.judged_set import JudgedSet
from tart_train.evaluation.table import HeldOutWordings
from tart_train.evaluation.wrong import WrongInstruction, wrong_for

BARE, RIGHT, WRONG = "bare", "right", "wrong"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a set's queries are asked under.

    Attributes:
        judged: The set.
        wordings: Its instruction in several wordings, the canonical one first; empty where the queries carry their own.
        wrong: Another task's instruction.
        table: Puts facets into wordings.
    """

    judged: JudgedSet
    wordings: tuple[str, ...]
    wrong: WrongInstruction
    table: HeldOutWordings

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of all conditions; ``right`` is the first paraphrase."""
        return (BARE, RIGHT, WRONG, *self.paraphrases[1:])

    @property
    def paraphrases(self) -> tuple[str, ...]:
        """Names of the conditions that say the same in other words."""
        return (RIGHT, *(f"paraphrase-{number}" for number in range(2, len(self.wordings) + 1)))

    def instructions(self, condition: str) -> list[str]:
        """The instruction of every query; "" is none."""
        if condition == BARE:
            return [""] * len(self.judged.queries)
        if condition == WRONG:
            return [self.wrong.text] * len(self.judged.queries)
        number = self.paraphrases.index(condition)
        wording = self.wordings[number] if self.wordings else ""
        return [self.table.instruction(self.judged, query, wording) for query in self.judged.queries]


def plans(sets: Sequence[JudgedSet], table: HeldOutWordings, paraphrases: int) -> list[Plan]:
    """A plan for each set.

    Raises:
        DataError: A set has no instruction.
    """
    wordings = {judged.name: table.of(judged)[:paraphrases] for judged in sets}
    return [Plan(judged, wordings[judged.name], wrong_for(judged, sets, wordings), table) for judged in sets]


def contrast_instructions(judged: JudgedSet, table: HeldOutWordings) -> list[str]:
    """The instruction of every query of a contrast set, in the canonical wording.

    Raises:
        DataError: A query has none.
    """
    wording = (*table.of(judged), "")[0]
    return [table.instruction(judged, query, wording) for query in judged.queries]
