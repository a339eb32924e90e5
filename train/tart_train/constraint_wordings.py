"""How constraints are put into words: clauses that say what a text does, in frames that ask for one."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

FRAMES = (
    "Find something on this that {clause}",
    "I need a text that {clause}",
    "Retrieve only what {clause}",
    "Which document {clause}?",
    "Show me one that {clause}",
    "Return a text only if it {clause}",
    "Look for a result that {clause}",
    "The right answer {clause}",
    "{clause}",
    "Search this topic for text that {clause}",
)
JOINED = (
    "{base}; it must be one that {clause}",
    "{base}, provided that it {clause}",
    "{base}. Take only what {clause}",
    "{base} (one that {clause})",
    "{base}, but only if the text {clause}",
)


class Clauses(NamedTuple):
    """What a text does that satisfies a constraint, and one that does not."""

    yes: tuple[str, ...]
    no: tuple[str, ...]


CLAUSES: Mapping[str, Clauses] = MappingProxyType(
    {
        "mentions": Clauses(
            (
                "mentions {value}",
                'contains the word "{value}"',
                "speaks of {value}",
                "uses the term {value}",
                "brings up {value}",
                "names {value}",
                'has "{value}" in it',
                "refers to {value}",
            ),
            (
                "does not mention {value}",
                'avoids the word "{value}"',
                "says nothing of {value}",
                "never uses the term {value}",
                "leaves {value} out",
                "is without any mention of {value}",
                'does not have "{value}" in it',
                "makes no reference to {value}",
            ),
        ),
        "number": Clauses(
            (
                "contains a number",
                "gives figures",
                "has at least one digit in it",
                "states a number, date or amount",
                "includes numerals",
                "cites numeric values",
                "has figures in it",
                "backs itself up with numbers",
            ),
            (
                "contains no number",
                "gives no figures",
                "has not a single digit in it",
                "does without numbers, dates and amounts",
                "includes no numerals",
                "cites no numeric values",
                "is free of figures",
                "uses words only and no digits",
            ),
        ),
        "year": Clauses(
            (
                "names a year",
                "contains a date with its year",
                "says in which year",
                "gives a year such as 1987",
                "has a calendar year in it",
                "mentions at least one year",
                "is dated by a year in the text",
                "tells a year",
            ),
            (
                "names no year",
                "contains no year at all",
                "does not say in which year",
                "gives no calendar year",
                "has no year in it",
                "mentions not one year",
                "is without dates by year",
                "leaves years out",
            ),
        ),
        "list": Clauses(
            (
                "contains a list",
                "has bullet points or numbered items",
                "enumerates points",
                "is laid out as a list",
                "itemises things",
                "uses list items",
                "has a bulleted or numbered enumeration",
                "lists several items",
            ),
            (
                "contains no list",
                "has neither bullet points nor numbered items",
                "is running prose only",
                "is not laid out as a list",
                "does not itemise anything",
                "uses no list items",
                "has no enumeration by bullets or numbers",
                "is plain paragraphs without bullets",
            ),
        ),
        "question": Clauses(
            (
                "contains a question",
                "asks something",
                "has a question mark in it",
                "poses a question",
                "includes at least one question",
                "raises a question in so many words",
                "puts a question to the reader",
                "is phrased with a question",
            ),
            (
                "contains no question",
                "asks nothing",
                "has no question mark in it",
                "poses no question",
                "includes not a single question",
                "only makes statements",
                "puts no question to the reader",
                "is phrased without a question",
            ),
        ),
        "quotation": Clauses(
            (
                "contains something in quotation marks",
                "quotes words or a title",
                "has a quotation in it",
                "uses quotation marks",
                "includes quoted words",
                "cites a phrase in quotes",
                "puts words in quotation marks",
                "has text between quotes",
            ),
            (
                "contains nothing in quotation marks",
                "quotes neither words nor a title",
                "has no quotation in it",
                "uses no quotation marks",
                "includes no quoted words",
                "cites no phrase in quotes",
                "puts nothing in quotation marks",
                "has no text between quotes",
            ),
        ),
        "abbreviation": Clauses(
            (
                "introduces an abbreviation in parentheses",
                "gives a short form in brackets, like (DNA)",
                "has an acronym in parentheses",
                "puts an abbreviation in brackets",
                "includes a bracketed acronym",
                "shows a parenthesised short form in capitals",
                "spells a term out with its acronym in brackets",
                "contains capitals in parentheses, like (WHO)",
            ),
            (
                "introduces no abbreviation in parentheses",
                "gives no short form in brackets",
                "has no acronym in parentheses",
                "puts no abbreviation in brackets",
                "includes no bracketed acronym",
                "shows no parenthesised short form in capitals",
                "is free of acronyms in brackets",
                "contains no capitals in parentheses, like (WHO)",
            ),
        ),
        "shorter": Clauses(
            (
                "is shorter than {value} words",
                "has fewer than {value} words",
                "takes less than {value} words",
                "stays under {value} words",
                "is brief, below {value} words",
                "can be read quickly, with under {value} words",
                "does not reach {value} words",
                "keeps it short: less than {value} words",
            ),
            (
                "is longer than {value} words",
                "has more than {value} words",
                "takes over {value} words",
                "goes beyond {value} words",
                "is detailed, above {value} words",
                "is long enough for more than {value} words",
                "exceeds {value} words",
                "goes into detail: more than {value} words",
            ),
        ),
        "one sentence": Clauses(
            (
                "is a single sentence",
                "consists of one sentence",
                "says it in one sentence",
                "is just one sentence long",
                "has no more than one sentence",
                "comes as one sentence and not as a passage",
                "is one sentence, not a paragraph",
                "puts everything into one sentence",
            ),
            (
                "is a passage of several sentences",
                "consists of more than two sentences",
                "takes several sentences",
                "is a whole paragraph",
                "has three sentences or more",
                "comes as a passage and not as one sentence",
                "is a paragraph, not a single sentence",
                "explains in several sentences",
            ),
        ),
        "after": Clauses(
            (
                "names a year after {value}",
                "mentions a year later than {value}",
                "reaches beyond the year {value}",
                "has a date later than {value}",
                "speaks of a time after {value}",
                "contains a year more recent than {value}",
                "includes something dated after {value}",
                "is about later years than {value}",
            ),
            (
                "names no year after {value}",
                "mentions only years up to {value}",
                "does not reach beyond the year {value}",
                "has dates, none later than {value}",
                "speaks of {value} or earlier only",
                "contains years, but none more recent than {value}",
                "includes nothing dated after {value}",
                "is about {value} and the years before",
            ),
        ),
    }
)
_COUNT = 8
_JOINED_SHARE = 0.3


def constraint_wordings(
    kind: str, value: str, chance: random.Random, *, wanted: bool, base: Sequence[str] = (), count: int = _COUNT
) -> tuple[str, ...]:
    """Different instructions that state a constraint, alone or joined to what the set asks for.

    Args:
        kind: Of the constraint.
        value: Of the constraint.
        chance: Chooses.
        wanted: Whether documents shall satisfy it, or violate it.
        base: Instructions of the set; about a third of the wordings then begins with one.
        count: How many.
    """
    clauses = CLAUSES[kind].yes if wanted else CLAUSES[kind].no
    made: dict[str, None] = {}
    for _ in range(4 * count):
        if len(made) == count:
            break
        clause = chance.choice(clauses).format(value=value)
        if base and chance.random() < _JOINED_SHARE:
            text = chance.choice(JOINED).format(base=chance.choice(base).rstrip(".?!"), clause=clause)
        else:
            text = chance.choice(FRAMES).format(clause=clause)
        made[text[:1].upper() + text[1:]] = None
    return tuple(made)
