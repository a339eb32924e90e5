"""The wrong instruction: one that belongs to another set, of another intent and unit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tart_train.evaluation.judged_set import JudgedSet

_EMPTY_WORDS = frozenset(
    "a an and find for from in it its of on or retrieve that the this to which with".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class WrongInstruction:
    """An instruction that belongs to another task.

    Attributes:
        text: What the model reads.
        source: The set that it belongs to; "" where it is one of `STRANGE`.
    """

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Strange:
    """A task that stands in where no other set differs enough."""

    text: str
    intent: str
    unit: str


STRANGE = (
    Strange("Find a cooking recipe that uses these ingredients", "uses ingredients", "recipe"),
    Strange("Find the Python function that implements this", "implements", "Python function"),
    Strange("Find a court judgment that was appealed in this matter", "appealed", "court judgment"),
)


def wrong_for(judged: JudgedSet, sets: Sequence[JudgedSet], canonical: Mapping[str, str]) -> WrongInstruction:
    """An instruction of another set whose unit and intent both differ from this set's, always the same one.

    Sets that share no word of unit or intent with this one are preferred; among equals a hash of the names decides, so
    that the choice does not depend on the order of the sets.

    Args:
        judged: The set.
        sets: All sets of the evaluation.
        canonical: Set -> its instruction, where it has one for all of its queries.
    """
    others = [one for one in sets if one.name != judged.name and one.name in canonical]
    others = [other for other in others if _differ(judged, other.card.intent, other.card.unit)]
    apart = [other for other in others if not _shared(judged, other.card.intent, other.card.unit)]
    if apart or others:
        chosen = min(apart or others, key=lambda other: _digest(judged.name, other.name))
        return WrongInstruction(canonical[chosen.name], chosen.name)
    strange = [one for one in STRANGE if not _shared(judged, one.intent, one.unit)] or list(STRANGE)
    return WrongInstruction(min(strange, key=lambda one: _digest(judged.name, one.text)).text, "")


def _differ(judged: JudgedSet, intent: str, unit: str) -> bool:
    return judged.card.intent.casefold() != intent.casefold() and judged.card.unit.casefold() != unit.casefold()


def _shared(judged: JudgedSet, intent: str, unit: str) -> bool:
    return bool(_words(judged.card.intent) & _words(intent) or _words(judged.card.unit) & _words(unit))


def _words(text: str) -> set[str]:
    """The words that tell something, without a plural's s."""
    found = re.findall(r"\w+", text.casefold())
    return {word.rstrip("s") for word in found if word not in _EMPTY_WORDS}


def _digest(*names: str) -> bytes:
    return hashlib.sha256("\n".join(names).encode()).digest()
