"""What a reader is told: which fields make a document, how bytes become text, and what happens to bad rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from tart.errors import SourceError

Layout: TypeAlias = Literal["jsonl", "parquet", "csv", "tsv", "beir", "text", "python", "datasets"]
OnError: TypeAlias = Literal["fail", "skip"]

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
EVERY_FIELD = ("*",)
_KEYS = ("id", "title", "text", "metadata")


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Which fields of a row give the parts of a document.

    Attributes:
        id: The field of the id; `None`: `id`, else `_id`.
        title: The field of the title; `None`: `title` where there is one.
        text: The fields of the text, joined by newlines.
        metadata: The fields kept as metadata, `("*",)` for every one that is left, `()` for none;
            `None`: the object in `metadata` and every field left that holds a scalar or a list of scalars.

    Raises:
        SourceError: A name is empty, there is no text field, or `*` stands beside other names.
    """

    id: str | None = None
    title: str | None = None
    text: tuple[str, ...] = ("text",)
    metadata: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        names = [self.id, self.title, *self.text, *(self.metadata or ())]
        if "" in names or not self.text:
            raise SourceError("a field name is empty; wanted the name of a field for every part of a document")
        if self.metadata is not None and "*" in self.metadata and self.metadata != EVERY_FIELD:
            raise SourceError(
                f"metadata is {'+'.join(self.metadata)!r}; wanted '*' (every field) alone, or names without it"
            )

    @classmethod
    def parse(cls, text: str) -> FieldMap:
        """Reads `id=_id,title=name,text=abstract+body,metadata=lang+year`; a part that is not named keeps its default.

        Raises:
            SourceError: The text is malformed, or it names a part that documents do not have.
        """
        named: dict[str, str] = {}
        for item in text.split(","):
            key, value = _key_and_value(item, text)
            if key in named:
                raise SourceError(f"fields {text!r}: {key!r} stands twice; name each part of a document once")
            named[key] = value
        return cls(
            id=named.get("id"),
            title=named.get("title"),
            text=_names(named["text"], text) if "text" in named else ("text",),
            metadata=_names(named["metadata"], text) if "metadata" in named else None,
        )

    @property
    def optional(self) -> tuple[str, ...]:
        """The fields that were asked for by name, and that a single row may nevertheless lack."""
        title = () if self.title is None else (self.title,)
        return title if self.metadata == EVERY_FIELD else title + (self.metadata or ())


def _key_and_value(item: str, text: str) -> tuple[str, str]:
    """One `part=field` of a written field map."""
    key, equals, value = (piece.strip() for piece in item.partition("="))
    if not equals or not (value or key == "metadata"):
        raise SourceError(
            f"fields {text!r}: found {item.strip()!r}; wanted PART=FIELD, as in id=_id,title=name,text=abstract+body"
        )
    if key not in _KEYS:
        raise SourceError(f"fields {text!r}: a document has no part {key!r}; wanted one of {', '.join(_KEYS)}")
    return key, value


def _names(value: str, text: str) -> tuple[str, ...]:
    """The field names of `abstract+body`; none where the value is empty."""
    if not value:
        return ()
    names = tuple(name.strip() for name in value.split("+"))
    if "" in names:
        raise SourceError(f"fields {text!r}: an empty name in {value!r}; join field names by single plus signs")
    return names


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a corpus is read.

    Attributes:
        fields: Which fields give the parts of a document.
        encoding: A Python codec for the bytes of line-based and text files. Python sources name their own.
        on_error: "fail" stops at the first bad row; "skip" counts it and goes on.
        layout: One of `LAYOUTS`; `None`: detected from the source's name and content.

    Raises:
        SourceError: The encoding, the layout or `on_error` is none that there is.
    """

    fields: FieldMap = field(default_factory=FieldMap)
    encoding: str = "utf-8"
    on_error: OnError = "fail"
    layout: Layout | None = None

    def __post_init__(self) -> None:
        try:
            "a".encode(self.encoding)
        except (LookupError, ValueError) as error:
            raise SourceError(
                f"encoding {self.encoding!r} is no text encoding of Python's; wanted a name such as utf-8 or latin-1"
            ) from error
        if self.on_error not in get_args(OnError):
            raise SourceError(f"on_error is {self.on_error!r}; wanted 'fail' or 'skip'")
        if self.layout is not None and self.layout not in LAYOUTS:
            raise SourceError(f"there is no layout {self.layout!r}; wanted one of {', '.join(LAYOUTS)}")


DEFAULT_OPTIONS = ReadOptions()
