"""Bodies of `GET /v1/instructions`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class IndexInstructions(BaseModel):
    """The instructions that are stored with an index."""

    default: str = Field(
        description="Applied where a request gives none; empty for none.",
        examples=["Find the page that explains this"],
    )
    named: dict[str, str] = Field(
        description="Texts by the names that `prompt_name` calls them by.",
        examples=[{"function": "Find the Python function that implements this"}],
    )


class InstructionVocabulary(BaseModel):
    """Parts of an instruction, to be put together: "Retrieve a [domain] [unit] that [intent]"."""

    intents: list[str] = Field(description="How a document relates to the query.", examples=[["answers this question"]])
    domains: list[str] = Field(description="Where documents come from.", examples=[["encyclopedia"]])
    units: list[str] = Field(description="What one document is.", examples=[["paragraph"]])


class InstructionsReply(BaseModel):
    """What may be said as an instruction; other words are as good."""

    object: Literal["instructions"]
    indexes: dict[str, IndexInstructions] = Field(description="By the names of the indexes.")
    vocabulary: InstructionVocabulary
    examples: list[str] = Field(
        description="Whole instructions to begin with.", examples=[["Find the documentation of this"]]
    )
