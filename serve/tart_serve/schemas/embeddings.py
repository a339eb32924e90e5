"""Bodies of `POST /v1/embeddings`, OpenAI's shape with two fields more."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag
from pydantic.config import JsonDict

from tart.models import DEFAULT_MODEL
from tart_serve.schemas.strict import MAX_CHARACTERS, StrictBody

MAX_INPUTS = 2_048
EXAMPLE: JsonDict = {
    "model": DEFAULT_MODEL,
    "input": "how do I merge two dicts",
    "instruction": "Find the Python function that implements this",
}

Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]
TokenIds: TypeAlias = Annotated[list[int], Field(min_length=1)]
Side: TypeAlias = Literal["query", "document"]


def _kind(value: object) -> str | None:
    """Which of the four shapes an input has, told by its first item."""
    if isinstance(value, str):
        return "text"
    if not isinstance(value, list):
        return None
    first = value[0] if value else ""
    return "token_ids" if isinstance(first, int) else "several_token_ids" if isinstance(first, list) else "texts"


Input: TypeAlias = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[list[Text], Field(min_length=1, max_length=MAX_INPUTS), Tag("texts")]
    | Annotated[TokenIds, Tag("token_ids")]
    | Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_INPUTS), Tag("several_token_ids")],
    Discriminator(
        _kind,
        custom_error_type="input_type",
        custom_error_message="Input should be a string, a list of strings, a list of token ids, or several of these",
    ),
]


class EmbeddingsBody(StrictBody):
    """Texts to embed, as queries or as documents."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    input: Input = Field(
        description=f"A text, up to {MAX_INPUTS} texts, or token ids of the model's own tokenizer. Token ids are "
        "embedded as given, between the model's special tokens: instruction and input format are not applied to them."
    )
    model: str = Field(description="The served model's name.", examples=[DEFAULT_MODEL])
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="`base64` gives the vector as little-endian float32, which is smaller and exact."
    )
    dimensions: int | None = Field(
        default=None,
        ge=1,
        description="Only the model's own: the first numbers of a vector mean something by themselves "
        "only where a model was trained for that (Matryoshka), and the served ones are not known to be.",
    )
    instruction: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)] | None = Field(
        default=None, description="What the query is to find, in plain words. Extension; for queries only."
    )
    input_type: Side | None = Field(
        default=None,
        description="Which side of the model's input format to apply: `query`, the default, or `document`. Extension.",
    )
    user: str | None = Field(
        default=None,
        description="Accepted because OpenAI's clients may send it; the service keeps nothing about its callers.",
    )
    truncate: bool = Field(
        default=False, description="Cut the end of an input that is too long instead of refusing it. Extension."
    )


class Embedding(BaseModel):
    """The vector of one input."""

    object: Literal["embedding"]
    index: int = Field(description="Of the input, from 0.")
    embedding: list[float] | str = Field(
        description="A unit vector, as numbers or as base64.", examples=[[0.0312, -0.0127]]
    )


class EmbeddingsUsage(BaseModel):
    """What was read."""

    prompt_tokens: int = Field(description="Special tokens counted.", examples=[8])
    total_tokens: int = Field(examples=[8])


class EmbeddingsReply(BaseModel):
    """Vectors in the order of the inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str = Field(examples=[DEFAULT_MODEL])
    usage: EmbeddingsUsage
