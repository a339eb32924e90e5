"""Bodies of `/v1/indexes/{name}/documents` and what is under it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.config import JsonDict
from typing_extensions import Self

from tart.documents import Document
from tart.errors import SourceError
from tart_serve.schemas.search import IndexVersion
from tart_serve.schemas.strict import MAX_CHARACTERS, StrictBody

# Some seconds of a small CPU at the model's full length.
MAX_DOCUMENTS = 256
MAX_ID_CHARACTERS = 1_000
EXAMPLE: JsonDict = {
    "documents": [
        {
            "id": "collections.ChainMap",
            "title": "collections.ChainMap",
            "text": "A ChainMap groups several dicts together to create a single, updateable view.",
            "metadata": {"kind": "documentation", "module": "collections"},
        }
    ]
}

Text: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]
MetadataItem: TypeAlias = str | int | float | bool | None


class DocumentBody(StrictBody):
    """A document to write."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_CHARACTERS)] = Field(
        description="A document of this id is replaced."
    )
    text: Text = Field(description="What is found and shown; of a long one, the model reads the beginning.")
    title: Text = Field(default="", description="Read by the model before the text.")
    metadata: dict[str, MetadataItem | list[MetadataItem]] = Field(
        default={}, description="For filters: strings, numbers, booleans, null, or lists of these."
    )

    @field_validator("text")
    @classmethod
    def _not_blank(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("give every document a text that is not blank")
        return text

    @field_validator("metadata", mode="before")
    @classmethod
    def _json_scalars(cls, metadata: Any) -> Any:
        """Checked by the type that holds them, so that there is one message a value and not one a type."""
        if isinstance(metadata, dict):
            try:
                Document("here", "text", "", metadata)
                json.dumps(metadata, ensure_ascii=False).encode()
            except SourceError as error:
                raise ValueError(str(error).partition(": ")[2]) from error
            except UnicodeEncodeError as error:
                raise ValueError("found half a surrogate pair; send whole characters") from error
        return metadata

    def document(self) -> Document:
        """What the index stores."""
        return Document(self.id, self.text, self.title, self.metadata)


class DocumentsBody(StrictBody):
    """Documents to write: new ones are added, those whose ids are there are replaced."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    documents: list[DocumentBody] = Field(
        min_length=1, max_length=MAX_DOCUMENTS, description=f"Up to {MAX_DOCUMENTS}, no id twice."
    )

    @model_validator(mode="after")
    def _no_id_twice(self) -> Self:
        seen: set[str] = set()
        for document in self.documents:
            if document.id in seen:
                raise ValueError(f"the id {document.id[:100]!r} stands twice in documents; send each document once")
            seen.add(document.id)
        return self


class DocumentReply(BaseModel):
    """A document as it is stored."""

    object: Literal["document"]
    request_id: str
    index: IndexVersion
    id: str = Field(examples=["functools.reduce"])
    title: str = Field(examples=["functools.reduce"])
    text: str = Field(examples=["def reduce(function, ..."])
    metadata: dict[str, Any] = Field(examples=[{"kind": "code"}])
    truncated: bool = Field(description="Whether it is longer than the model takes: only its beginning can be found.")


class ChangeReply(BaseModel):
    """What a write did."""

    object: Literal["index.change"]
    request_id: str
    index: IndexVersion = Field(description="In service now: the next search finds what was written.")
    added: int = Field(description="Documents that were not there before.", examples=[1])
    updated: int = Field(description="Documents that were replaced.", examples=[0])
    unchanged: int = Field(description="Documents that were there already, word for word.", examples=[0])
    deleted: int = Field(examples=[0])
    embedded: int = Field(
        description="Documents that the model had to read: not those of which only metadata changed.", examples=[1]
    )
