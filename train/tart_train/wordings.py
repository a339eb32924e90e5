"""Wordings of a row's own instruction: phrases of what is wanted, set into sentences of many shapes.

The point of so many is that a model learns to read what is asked for, not to recognise a sentence. Wordings that
evaluation uses stand in `HELD_OUT_SHAPES` and are never trained with.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

# {wanted} is a noun phrase ("a shell command").
SHAPES = (
    "Find {wanted}",
    "{wanted}",
    "Retrieve {wanted} for this",
    "I am looking for {wanted}",
    "Show me {wanted} that belongs to the query",
    "Given the query, return {wanted}",
    "Please get {wanted}; anything else is of no use",
    "Only {wanted} will do",
    "Is there {wanted} on this?",
    "What I need here is {wanted}",
    "Search for {wanted} that matches",
    "Look up {wanted} about the following",
    "wanted: {wanted}",
    "Return {wanted}, whatever else may be on topic",
)
# {other} is what a document of the same topic is that is not wanted.
CONTRASTED_SHAPES = (
    "Find {wanted}, not {other}",
    "I want {wanted} rather than {other}",
    "Return {wanted}; {other} would be wrong",
    "{wanted} instead of {other}",
    "Not {other}: I need {wanted}",
    "Leave out {other} and give me {wanted}",
)
HELD_OUT_SHAPES = (
    "Fetch {wanted} concerning this",
    "Could you bring up {wanted}?",
    "The right answer to this search is {wanted}",
    "Among everything on this subject, pick {wanted}",
    "My interest is in {wanted} alone",
    "Point me to {wanted}",
)

# What a document can be, in several words each.
UNITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "manual page": (
            "the manual page of a tool",
            "a page with several usage examples of one program",
            "a tool's cheat sheet page",
            "an overview page of a command-line tool",
        ),
        "shell command": (
            "a single shell command",
            "one command line to type into a terminal",
            "a Bash command",
            "a command-line invocation",
        ),
        "python code": ("Python code", "a code snippet in Python", "a solution written in Python", "Python source"),
        "csharp code": ("C# code", "a code snippet in C#", "a solution written in C# for .NET", "C# source"),
        "sql code": ("an SQL query", "a database query", "SQL code", "a solution in SQL"),
        "how-to question": (
            "another wording of the same question",
            "a question that asks for the same thing",
            "a similar how-to question",
            "a paraphrase of the request",
        ),
        "trial question": (
            "another question about the same trial",
            "a further question that this study can answer",
            "a question on another outcome of the same study",
        ),
        "trial abstract": (
            "the abstract of the clinical trial",
            "the study abstract",
            "a trial report's abstract",
            "the paper summary with methods and results",
        ),
        "table question": (
            "another question about the same table",
            "a question that the same table answers",
            "a further question on these data",
        ),
        "table": ("a table", "the data table", "rows and columns with the figures", "a table from the article"),
        "paragraph": (
            "a paragraph of running text",
            "prose from the encyclopedia article",
            "an article passage in full sentences",
        ),
        "word problem": (
            "the text of the word problem",
            "a maths exercise, without its solution",
            "the problem statement",
        ),
        "worked solution": (
            "the worked solution",
            "the calculation that leads to the answer",
            "a step by step solution of the exercise",
        ),
        "health question": (
            "a question that a patient might ask",
            "the question, not its answer",
            "a health question in one sentence",
        ),
        "health answer": (
            "a passage that answers a patient's question",
            "an explanation for patients",
            "the answer text of a health website",
        ),
        "user request": (
            "another user request for the same tool",
            "something else that users ask of this tool",
            "a further request that the tool serves",
        ),
        "tool description": (
            "the description of a tool",
            "a plugin's description",
            "an entry of the tool catalogue",
        ),
        "command description": (
            "another description of the same command",
            "words that say what the command does",
            "a plain-English description of the command",
        ),
        "abstract": ("the abstract of the paper", "a full paper abstract", "an abstract of several sentences"),
        "one-sentence summary": (
            "a one-sentence summary",
            "the paper in one sentence",
            "a TLDR",
            "a very short summary",
        ),
        "function": (
            "the source code of the function",
            "a Python function's implementation",
            "code that implements this",
            "the function body",
        ),
        "docstring": (
            "the docstring's first sentence",
            "one sentence that says what the function does",
            "a short description of the function, no code",
        ),
        "documentation": (
            "the documentation",
            "the reference documentation, not code",
            "an explanation of arguments and result",
            "the docstring",
        ),
        "code": (
            "the code that does this",
            "the implementation",
            "source code",
            "how it is implemented",
        ),
    }
)
PLATFORMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "common": ("any platform", "all Unix-like systems", "every operating system"),
        "linux": ("Linux", "GNU/Linux"),
        "osx": ("macOS", "the Mac", "OS X"),
        "windows": ("Windows", "Microsoft Windows"),
        "android": ("Android",),
        "freebsd": ("FreeBSD",),
        "openbsd": ("OpenBSD",),
        "netbsd": ("NetBSD",),
        "sunos": ("SunOS", "Solaris"),
        "dos": ("DOS",),
        "cisco-ios": ("Cisco IOS",),
    }
)
PLATFORM_SHAPES = (
    "the manual page of this tool for {value}",
    "how to use the command on {value}",
    "usage examples that work on {value}",
    "the {value} version of the tool's page",
)
SECTION_SHAPES = (
    "the part of the article about {value}",
    'the section "{value}"',
    "what the article says on {value}",
    "a paragraph of the section {value}",
    "information on this subject: {value}",
    "text under the heading {value}",
    "{value}",
    "something about {value}, of no other section of the page",
    "the passage that deals with {value}",
    "facts concerning {value}",
)


def worded(wanted: Sequence[str], chance: random.Random, count: int = 8, others: Sequence[str] = ()) -> tuple[str, ...]:
    """Different instructions that ask for the same.

    Args:
        wanted: Noun phrases for what is wanted.
        chance: Chooses.
        count: How many, at most.
        others: Noun phrases for what is on topic and not wanted; a quarter of the wordings then names one.
    """
    made: dict[str, None] = {}
    for number in range(4 * count):
        if len(made) == count:
            break
        shapes = CONTRASTED_SHAPES if others and number % 4 == 3 else SHAPES
        text = chance.choice(shapes).format(wanted=chance.choice(wanted), other=chance.choice(others or ("",)))
        made[text[:1].upper() + text[1:] if chance.random() < 0.8 else text] = None
    return tuple(made)


def filled(shapes: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
    """Noun phrases made of shapes with a {value}."""
    return tuple(shape.format(value=value) for shape in shapes for value in values)
