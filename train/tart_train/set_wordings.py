"""The instructions that rows of a set are trained with."""

from __future__ import annotations

from tart_train.card import Card
from tart_train.examples import check_instructions

_TEMPLATES = (
    "Find the {unit} that fits this {query}: the task is to {intent}",
    "Given a {query}, retrieve the {unit} that lets one {intent}",
    "Search {domain} for a {unit}. Task: {intent}",
    "I want to {intent}; return a {unit}",
    "Retrieve a {unit} from {domain} to {intent}",
    "{intent}: show me the matching {unit}",
    "Which {unit} in {domain} belongs to this {query}? Goal: {intent}",
    "For this {query}, look up the right {unit} ({intent})",
)


def wordings_of(card: Card) -> tuple[str, ...]:
    """Wordings of a set: those of its own card, else the packaged ones, else some made of the card's parts.

    Raises:
        DataError: A wording is empty.
    """
    found = card.instructions or _packaged(card.name) or _composed(card)
    check_instructions(found, f"set {card.name!r}")
    return found


def _packaged(name: str) -> tuple[str, ...]:
    return ()


def _composed(card: Card) -> tuple[str, ...]:
    """Wordings from intent, domain and unit (Asai et al. 2022, section 3.1), where nobody wrote better ones."""
    parts = {
        "unit": card.unit or "document",
        "domain": card.domain or "the corpus",
        "intent": card.intent or "find what belongs to the query",
        "query": card.query_unit or "query",
    }
    made = [template.format(**parts) for template in _TEMPLATES]
    return tuple(wording[:1].upper() + wording[1:] for wording in made)
