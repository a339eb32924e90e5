"""The input format: the one place where instruction, query, title and text become what a model reads.

A format is saved with a model and with an index, so that training, indexing, evaluation and service build the same
token ids.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tart.documents import Document
from tart.errors import ModelError
from tart.instructions import NO_INSTRUCTION, Instruction

FILE_NAME = "tart_format.json"
_PLACEHOLDERS = {
    "query": {"instruction", "query"},
    "query_bare": {"query"},
    "document": {"title", "text"},
    "document_untitled": {"text"},
}


@dataclass(frozen=True, slots=True)
class InputFormat:
    """Templates for the two sides of a bi-encoder.

    Attributes:
        name: Of a preset, or of the user's own format.
        query: Template of ``{instruction}`` and ``{query}``; without ``{instruction}`` the format takes none.
        query_bare: Template of ``{query}`` alone, for a query without an instruction.
        document: Template of ``{title}`` and ``{text}``.
        document_untitled: Template of ``{text}`` alone, for a document without a title.
        pools_instruction: Whether the tokens before the query, and those before the document's own words, count in
            mean pooling; INSTRUCTOR (Su et al. 2023) leaves them out.

    Raises:
        ModelError: A template has an unknown placeholder or lacks the one that it must have.
    """

    name: str
    query: str = "{instruction} {query}"
    query_bare: str = "{query}"
    document: str = "{title} {text}"
    document_untitled: str = "{text}"
    pools_instruction: bool = True

    def __post_init__(self) -> None:
        for side, allowed in _PLACEHOLDERS.items():
            self._check(side, getattr(self, side), allowed)

    def _check(self, side: str, template: str, allowed: set[str]) -> None:
        found = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        needed = "query" if side.startswith("query") else "text"
        if needed not in found or not found <= allowed:
            raise ModelError(
                f"input format {self.name!r}: the {side} template {template!r} has the placeholders "
                f"{sorted(found)}; wanted {{{needed}}} and otherwise only {sorted(allowed)}"
            )

    @property
    def takes_instruction(self) -> bool:
        """Whether an instruction changes what the model reads."""
        return "{instruction}" in self.query

    def applied(self, instruction: Instruction) -> Instruction:
        """The instruction that the model will really read: none where the format takes none."""
        return instruction if self.takes_instruction else NO_INSTRUCTION

    def render_query(self, query: str, instruction: Instruction = NO_INSTRUCTION) -> str:
        """What the model reads for a query under an instruction."""
        if self.applied(instruction):
            return self.query.format(instruction=instruction.text, query=query)
        return self.query_bare.format(query=query)

    def render_query_prefix(self, instruction: Instruction = NO_INSTRUCTION) -> str:
        """What stands before the query: the part that ``pools_instruction=False`` leaves out of pooling."""
        template = self.query if self.applied(instruction) else self.query_bare
        return template.partition("{query}")[0].format(instruction=instruction.text)

    def render_document_prefix(self, document: Document) -> str:
        """What stands before a document's own words: left out of pooling as the query's prefix is."""
        template = self.document if document.title.strip() else self.document_untitled
        return template.partition("{")[0]

    def render_document(self, document: Document) -> str:
        """What the model reads for a document."""
        if document.title.strip():
            return self.document.format(title=document.title, text=document.text)
        return self.document_untitled.format(text=document.text)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that changes the rendered text or its pooling; the name does not."""
        settings = {key: value for key, value in asdict(self).items() if key != "name"}
        return "sha256:" + hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> InputFormat:
        """Reads what `to_json` wrote.

        Raises:
            ModelError: A setting is unknown, missing or of the wrong type.
        """
        wanted = {field.name: bool if field.name == "pools_instruction" else str for field in fields(cls)}
        unknown = sorted(set(settings) - set(wanted))
        if unknown:
            raise ModelError(f"input format: unknown settings {unknown}; wanted only {sorted(wanted)}")
        if "name" not in settings:
            raise ModelError("input format: it has no name; add one")
        for key, value in settings.items():
            if not isinstance(value, wanted[key]):
                raise ModelError(f"input format: {key} is {value!r}; wanted a {wanted[key].__name__}")
        return cls(**settings)

    def save(self, folder: Path) -> Path:
        """Writes the format beside a model's weights, where `load` finds it."""
        path = folder / FILE_NAME
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, folder: Path) -> InputFormat | None:
        """The format saved in a model folder, or None where the model has none of its own.

        Raises:
            ModelError: The file is there and is not a format.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            return None
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ModelError(f"{path}: not JSON ({error}); write it with InputFormat.save") from error
        if not isinstance(settings, dict):
            raise ModelError(f"{path}: found a {type(settings).__name__}; wanted a JSON object")
        return cls.from_json(settings)


TART = InputFormat(name="tart", query="{instruction} [SEP] {query}")
PLAIN = InputFormat(name="plain", query="{query}")
E5 = InputFormat(
    name="e5",
    query="query: {query}",
    query_bare="query: {query}",
    document="passage: {title} {text}",
    document_untitled="passage: {text}",
)
E5_INSTRUCT = InputFormat(name="e5-instruct", query="Instruct: {instruction}\nQuery: {query}")
BGE = InputFormat(name="bge", query="{instruction} {query}")
INSTRUCTOR = InputFormat(
    name="instructor",
    query="{instruction} {query}",
    document="Represent the document for retrieval: {title} {text}",
    document_untitled="Represent the document for retrieval: {text}",
    pools_instruction=False,
)
QWEN3 = InputFormat(name="qwen3", query="Instruct: {instruction}\nQuery:{query}")

PRESETS: Mapping[str, InputFormat] = {
    preset.name: preset for preset in (TART, PLAIN, E5, E5_INSTRUCT, BGE, INSTRUCTOR, QWEN3)
}

# First match wins: part of a model's name, lower-cased -> preset.
_BY_NAME = (
    ("e5-mistral", E5_INSTRUCT),
    ("e5-large-instruct", E5_INSTRUCT),
    ("e5-", E5),
    ("bge-", BGE),
    ("instructor", INSTRUCTOR),
    ("qwen3-embedding", QWEN3),
)


def preset(name: str) -> InputFormat:
    """A preset by its name.

    Raises:
        ModelError: There is no such preset.
    """
    if name not in PRESETS:
        raise ModelError(f"no input format {name!r}; there are {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


def preset_for(model_name: str) -> InputFormat:
    """The preset that a public model was trained with, told by its name; TART where the name tells nothing."""
    lowered = model_name.lower()
    return next((found for part, found in _BY_NAME if part in lowered), TART)
