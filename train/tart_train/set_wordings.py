"""The instructions that rows of a set are trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def wordings_of(name: str, card: Mapping[str, Any]) -> tuple[str, ...]:
    """Wordings of a set: those of its own card, else the packaged ones, else some made of the card's parts.

    Raises:
        DataError: A wording is empty.
    """
    own = card.get("instructions")
    if own:
        found = tuple(own["train"] if isinstance(own, Mapping) else own)
    else:
        found = _packaged(name) or _composed(name, card)
    check_instructions(found, f"set {name!r}")
    return found


def _packaged(name: str) -> tuple[str, ...]:
    return ()


def _composed(name: str, card: Mapping[str, Any]) -> tuple[str, ...]:
    """Wordings from intent, domain and unit (Asai et al. 2022, section 3.1), where nobody wrote better ones."""
    parts = {
        "unit": card.get("unit") or "document",
        "domain": card.get("domain") or "the corpus",
        "intent": (card.get("intent") or "find what belongs to the query").strip(),
        "query": card.get("query_unit") or "query",
    }
    made = [template.format(**parts) for template in _TEMPLATES]
    return tuple(wording[:1].upper() + wording[1:] for wording in made)
