"""Bodies of `/v1/indexes` and what is under it, but for documents."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tart_serve.schemas.search import IndexVersion
from tart_serve.schemas.strict import StrictBody


class ReloadBody(StrictBody):
    """How to reload; the body may be left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"verify": True}]})

    verify: bool = Field(
        default=False,
        description="Read every file again and compare it with its checksum, also those that the version in service "
        "has and that look untouched.",
    )


class LastReload(BaseModel):
    """The last reload that found something new or was asked for."""

    result: Literal["switched", "unchanged", "refused"]
    at: str = Field(description="UTC, ISO 8601.", examples=["2026-11-21T14:27:35.120+00:00"])
    took_ms: float = Field(examples=[12.5])
    reason: str | None = Field(description="Why a new version was refused, in words that follow its name.")


class IndexSummary(BaseModel):
    """An index and its version in service."""

    object: Literal["index"]
    name: str = Field(examples=["demo"])
    version: str = Field(description="Counts publications into the index folder.", examples=["7"])
    fingerprint: str = Field(description="Equal for equal content, wherever built.", examples=["sha256:9f86d081..."])
    documents: int = Field(examples=[12040])
    model: str = Field(examples=["all-MiniLM-L6-v2"])
    dim: int = Field(description="Length of a vector.", examples=[384])
    soundness: Literal["unknown", "sound", "damaged"] = Field(
        description="`sound` when every byte was compared with its checksum; `unknown` until then."
    )
    last_reload: LastReload | None = Field(description="Null before the first.")


class IndexList(BaseModel):
    """All indexes that are served."""

    object: Literal["list"]
    data: list[IndexSummary]


class MetadataValue(BaseModel):
    """A value that documents have under a key."""

    value: str | bool = Field(examples=["code"])
    documents: int = Field(examples=[31])


class MetadataKey(BaseModel):
    """A key of the metadata, for filters."""

    key: str = Field(examples=["kind"])
    types: dict[str, int] = Field(
        description="In how many documents a value of each type stands: `string`, `number`, `boolean`, `date`, `null`.",
        examples=[{"string": 62}],
    )
    values: list[MetadataValue] | None = Field(
        description="All strings and booleans of the key, where they are few; null where they are many, or none."
    )


class IndexDescription(IndexSummary):
    """An index, its version in service, and what can be asked of it."""

    created_at: str = Field(description="When the version was published.", examples=["2026-11-21T14:27:35+00:00"])
    max_tokens: int = Field(description="What the model takes of a document, or of instruction and query.")
    truncated: int = Field(description="Documents that are longer than that: only their beginning can be found.")
    factory: str = Field(description="The structure that is searched; `Flat` is exact.", examples=["Flat"])
    default_instruction: str = Field(description="Applied where a query names none; empty for none.")
    prompts: dict[str, str] = Field(
        description="Named instructions, for `prompt_name`.",
        examples=[{"function": "Find the Python function that implements this"}],
    )
    metadata: list[MetadataKey] = Field(description="Keys in the order of the alphabet.")
    more_keys: int = Field(description="Keys beyond those that are listed.")


class ReloadReply(BaseModel):
    """What came of a reload."""

    object: Literal["index.reload"]
    request_id: str
    result: Literal["switched", "unchanged"] = Field(
        description="`unchanged`: the published version was in service already."
    )
    index: IndexVersion
    previous: IndexVersion = Field(description="What was in service before.")
    took_ms: float = Field(examples=[12.5])
