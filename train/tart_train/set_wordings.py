"""The instructions that rows of a set are trained with."""

from __future__ import annotations

from tart_train.card import Card
from tart_train.examples import check_instructions
from tart_train.instruction_table import InstructionTable

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

    A set whose wordings speak of a facet has none that would do for all rows.

    Raises:
        DataError: A wording is empty.
    """
    table = InstructionTable.packaged()
    known = card.name in table or card.instructions or card.facets
    own = table.for_card(card) if known else None
    if own is not None and own.facets:
        return ()
    found = (own.train if own is not None else ()) or _composed(card)
    check_instructions(found, f"set {card.name!r}")
    return found


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
