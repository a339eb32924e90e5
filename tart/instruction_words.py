"""Words for composing an instruction: intents, domains and units (Asai et al. 2022, section 3.1), and whole examples.

An aid for people who stand before an empty box; a model reads any other words as well.
"""

from __future__ import annotations

from tart.instructions import Instruction

# How a document relates to the query; each goes on after "a document that ...".
INTENTS = (
    "answers this question",
    "explains how to do this",
    "implements this",
    "documents this",
    "shows an example of this",
    "fixes this error",
    "gives the cause of this problem",
    "supports this claim",
    "argues against this claim",
    "says the same in other words",
    "summarises this",
    "gives the details of this",
    "defines this term",
    "covers the same topic",
    "was published under this title",
    "does this job",
)

# Where documents come from; each can stand before a unit.
DOMAINS = (
    "Python",
    "SQL",
    "shell",
    "API reference",
    "encyclopedia",
    "scientific",
    "biomedical",
    "clinical trial",
    "news",
    "legal",
    "financial",
    "programming forum",
    "customer support",
    "product",
    "travel",
    "cooking",
)

# What one document is.
UNITS = (
    "document",
    "paragraph",
    "sentence",
    "abstract",
    "article",
    "function",
    "code snippet",
    "command",
    "documentation page",
    "FAQ entry",
    "forum answer",
    "incident report",
    "case summary",
    "review",
    "recipe",
    "tool description",
)

EXAMPLES = (
    "Find the Python function that implements this",
    "Find the documentation of this",
    "Find a past incident report with the same cause",
    Instruction.compose("answers this question", "encyclopedia", "paragraph").text,
    Instruction.compose("supports this claim", "scientific", "abstract").text,
    Instruction.compose("argues against this claim", "news", "article").text,
    "Which support ticket describes the same problem?",
    "one-line shell command for this task",
)
