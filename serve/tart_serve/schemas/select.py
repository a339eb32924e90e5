"""Bodies of `POST /v1/select`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from tart_serve.schemas.search import IndexVersion
from tart_serve.schemas.strict import MAX_CHARACTERS, StrictBody

MAX_TARGETS = 64
MAX_NEIGHBOURS = 500
MAX_BUDGET = 500
EXAMPLE: JsonDict = {
    "targets": ["merge two dicts", "sort a list by the second item"],
    "instruction": "Find examples that need the same skill",
    "method": "deft",
    "neighbours": 10,
    "budget": 5,
}

Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARACTERS, pattern=r"\S")]


class SelectBody(StrictBody):
    """Examples of a target, and how documents that are like them are chosen."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    targets: list[Text] = Field(
        min_length=1, max_length=MAX_TARGETS, description=f"Unlabelled examples of the target, up to {MAX_TARGETS}."
    )
    instruction: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)] = Field(
        default="",
        description="What makes a document like a target. Targets are then encoded as queries under it; without one "
        "they are encoded as the documents are.",
    )
    index: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)] | None = Field(
        default=None, description="The pool; needed only where several indexes are served."
    )
    method: Literal["deft", "rds", "round-robin"] = Field(
        default="deft",
        description="`deft`: the union of all targets' neighbours, those of most targets first. `rds`: the documents "
        "nearest to any target. `round-robin`: targets in turn take their next best.",
    )
    neighbours: int = Field(
        default=100, ge=1, le=MAX_NEIGHBOURS, description="Of each target; `rds` has no use for it."
    )
    budget: int = Field(default=100, ge=1, le=MAX_BUDGET, description="The most documents that are chosen.")
    include: list[Literal["title", "text", "metadata"]] = Field(
        default=[], max_length=3, description="What a chosen document carries besides id, score, count and target."
    )


class ChosenDocument(BaseModel):
    """A document that was chosen."""

    rank: int = Field(description="From 1.", examples=[1])
    id: str = Field(examples=["functools.reduce"])
    score: float = Field(description="Cosine with the target that is nearest to it.", examples=[0.71])
    count: int = Field(description="Targets that have it among their neighbours; 1 but for `deft`.", examples=[2])
    chosen_by: int = Field(description="Number of the target that is nearest to it, from 0.", examples=[0])
    title: str = Field(default="", description="Where `include` names it.", examples=["functools.reduce"])
    text: str = Field(default="", description="Where `include` names it.", examples=["def reduce(function, ..."])
    metadata: dict[str, Any] = Field(default={}, description="Where `include` names it.", examples=[{"kind": "code"}])


class SelectReply(BaseModel):
    """What was chosen."""

    object: Literal["select.results"]
    request_id: str = Field(description="As in the header `X-Request-ID`.")
    index: IndexVersion
    model: str = Field(examples=["tart-dual"])
    method: str = Field(examples=["deft"])
    instruction_applied: str = Field(description="Empty for none.", examples=["Find examples that need the same skill"])
    candidates: int = Field(description="Documents that the method had to choose from.", examples=[17])
    data: list[ChosenDocument] = Field(description="Best first; fewer than `budget` where there are fewer candidates.")
