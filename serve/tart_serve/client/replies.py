"""What a service answers, as values. Fields that a newer service adds are passed over."""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found.

    Attributes:
        rank: From 1, passed-over hits counted.
        id: Of the document.
        score: Cosine of query and document, -1 to 1; or the reranker's, 0 to 1.
        title: Empty where `include` does not name it; so are the next two.
        text: Of the document.
        metadata: Of the document.
        retrieval_score: The cosine, where `score` is a reranker's.
    """

    rank: int
    id: str
    score: float
    title: str = ""
    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    retrieval_score: float | None = None


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """Which version of which index answered."""

    name: str
    version: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class TimingMs:
    """Milliseconds by stage; queries of one batch share them."""

    queue: float = 0.0
    encode: float = 0.0
    search: float = 0.0
    fetch: float = 0.0
    rerank: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchReply:
    """The hits of one query.

    Attributes:
        request_id: To look for in the service's log.
        index: Which version of which index answered.
        model: That embedded the query.
        instruction_applied: What the model read before the query; empty for none.
        hits: Best first.
        has_more: Whether more hits would follow.
        prompt_tokens: Tokens of instruction and query.
        timing_ms: Where the service's time went.
    """

    request_id: str
    index: IndexVersion
    model: str
    instruction_applied: str
    hits: tuple[Hit, ...]
    has_more: bool
    prompt_tokens: int
    timing_ms: TimingMs


@dataclass(frozen=True, slots=True)
class QueryFault:
    """Why one query of a batch has no hits."""

    status: int
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class BatchReply:
    """The results of several queries, in their order."""

    request_id: str
    results: tuple[SearchReply | QueryFault, ...]


@dataclass(frozen=True, slots=True)
class EmbedReply:
    """Unit vectors in the order of the inputs, float32 in Python's numbers."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The service answers searches on every index."""

    indexes: tuple[str, ...]
    took_ms: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A text that was scored.

    Attributes:
        index: Its place among the texts that were sent, from 0.
        relevance_score: The reranker's, 0 to 1; or the embedding model's, a cosine.
    """

    index: int
    relevance_score: float


@dataclass(frozen=True, slots=True)
class RerankReply:
    """Texts by score, best first."""

    request_id: str
    model: str
    results: tuple[Ranked, ...]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class IndexInstructions:
    """The instructions that are stored with an index: the default one, and others by name."""

    default: str
    named: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Instructions:
    """What may be said as an instruction; other words are as good.

    Attributes:
        indexes: What is stored, by the names of the indexes.
        intents: How a document relates to the query; with the next two, parts to put together.
        domains: Where documents come from.
        units: What one document is.
        examples: Whole instructions to begin with.
    """

    indexes: Mapping[str, IndexInstructions]
    intents: tuple[str, ...]
    domains: tuple[str, ...]
    units: tuple[str, ...]
    examples: tuple[str, ...]


def search_reply(body: Any) -> SearchReply:
    """Reads the reply to one query."""
    return SearchReply(
        request_id=body["request_id"],
        index=known(IndexVersion, body["index"]),
        model=body["model"],
        instruction_applied=body["instruction_applied"],
        hits=tuple(known(Hit, hit) for hit in body["data"]),
        has_more=body["has_more"],
        prompt_tokens=body["usage"]["prompt_tokens"],
        timing_ms=known(TimingMs, body["timing_ms"]),
    )


def batch_reply(body: Any) -> BatchReply:
    """Reads the reply to several queries."""
    results = (
        known(QueryFault, result) if result["object"] == "error" else search_reply(result) for result in body["results"]
    )
    return BatchReply(body["request_id"], tuple(results))


def embed_reply(body: Any) -> EmbedReply:
    """Reads vectors, in the order that their numbers say."""
    rows = sorted(body["data"], key=lambda row: int(row["index"]))
    return EmbedReply(
        model=body["model"],
        vectors=tuple(_floats(row["embedding"]) for row in rows),
        prompt_tokens=body["usage"]["prompt_tokens"],
    )


def ready(body: Any) -> Ready:
    """Reads what is ready."""
    return Ready(tuple(body["indexes"]), body["took_ms"])


def rerank_reply(body: Any) -> RerankReply:
    """Reads texts in order."""
    ranked = tuple(known(Ranked, result) for result in body["results"])
    return RerankReply(body["id"], body["model"], ranked, body["usage"]["prompt_tokens"])


def instructions(body: Any) -> Instructions:
    """Reads what may be said as an instruction."""
    parts = {name: tuple(body["vocabulary"][name]) for name in ("intents", "domains", "units")}
    stored = {name: known(IndexInstructions, index) for name, index in body["indexes"].items()}
    return Instructions(indexes=stored, examples=tuple(body["examples"]), **parts)


def known(kind: type[T], body: Any) -> T:
    """A value from the fields that it knows; one that it needs must be there."""
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: body[name] for name in names if name in body})


def _floats(encoded: str) -> tuple[float, ...]:
    """The service sends little-endian float32."""
    numbers = array.array("f", base64.b64decode(encoded))
    if sys.byteorder == "big":
        numbers.byteswap()
    return tuple(numbers)
