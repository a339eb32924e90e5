"""What a service answers about its indexes and their documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tart_serve.client.replies import IndexVersion, known


@dataclass(frozen=True, slots=True)
class LastReload:
    """The last reload of an index: switched, unchanged or refused, and then why."""

    result: str
    at: str
    took_ms: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """An index and its version in service.

    Attributes:
        name: That requests call it by.
        version: Counts publications into its folder.
        fingerprint: Equal for equal content.
        documents: How many.
        model: That embeds queries and documents.
        dim: Length of a vector.
        soundness: "sound" when every byte was verified, "unknown" until then, or "damaged".
        last_reload: None before the first.
    """

    name: str
    version: str
    fingerprint: str
    documents: int
    model: str
    dim: int
    soundness: str
    last_reload: LastReload | None = None


@dataclass(frozen=True, slots=True)
class MetadataKey:
    """A key of the metadata, for filters.

    Attributes:
        key: Its name.
        types: In how many documents a value of each type stands.
        values: Documents by value, where strings and booleans are few; else None.
    """

    key: str
    types: Mapping[str, int]
    values: tuple[tuple[str | bool, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class IndexDescription(IndexSummary):
    """An index, and what can be asked of it.

    Attributes:
        created_at: When the version was published.
        max_tokens: What the model takes.
        truncated: Documents that are longer than that.
        factory: The structure that is searched.
        default_instruction: Applied where a query names none.
        prompts: Named instructions.
        metadata: Keys, for filters.
        more_keys: Keys beyond those.
    """

    created_at: str = ""
    max_tokens: int = 0
    truncated: int = 0
    factory: str = ""
    default_instruction: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    metadata: tuple[MetadataKey, ...] = ()
    more_keys: int = 0


@dataclass(frozen=True, slots=True)
class ReloadReply:
    """What came of a reload: "switched" or "unchanged"."""

    request_id: str
    result: str
    index: IndexVersion
    previous: IndexVersion
    took_ms: float


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as an index holds it; `truncated` where it is longer than the model takes."""

    request_id: str
    index: IndexVersion
    id: str
    title: str
    text: str
    metadata: Mapping[str, Any]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """What writes did.

    Attributes:
        index: The version that was published last; None where nothing was sent.
        added: Documents that were not there before.
        updated: Documents that were replaced.
        unchanged: Documents that were there already, word for word.
        deleted: Documents that are gone.
        embedded: Documents that the model had to read.
    """

    index: IndexVersion | None = None
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    embedded: int = 0

    def then(self, later: Changed) -> Changed:
        """This and what a later write did, together."""
        counts = ("added", "updated", "unchanged", "deleted", "embedded")
        return replace(later, **{name: getattr(self, name) + getattr(later, name) for name in counts})


def index_list(body: Any) -> tuple[IndexSummary, ...]:
    """Reads which indexes there are."""
    return tuple(known(IndexSummary, {**row, "last_reload": _last_reload(row)}) for row in body["data"])


def index_description(body: Any) -> IndexDescription:
    """Reads what there is to know of an index."""
    keys = tuple(MetadataKey(key["key"], key["types"], _values(key)) for key in body["metadata"])
    return known(IndexDescription, {**body, "last_reload": _last_reload(body), "metadata": keys})


def reload_reply(body: Any) -> ReloadReply:
    """Reads what came of a reload."""
    versions = {name: known(IndexVersion, body[name]) for name in ("index", "previous")}
    return known(ReloadReply, {**body, **versions})


def stored_document(body: Any) -> StoredDocument:
    """Reads a document."""
    return known(StoredDocument, {**body, "index": known(IndexVersion, body["index"])})


def changed(body: Any) -> Changed:
    """Reads what a write did."""
    return known(Changed, {**body, "index": known(IndexVersion, body["index"])})


def _last_reload(row: Any) -> LastReload | None:
    return known(LastReload, row["last_reload"]) if row.get("last_reload") else None


def _values(key: Any) -> tuple[tuple[str | bool, int], ...] | None:
    values = key.get("values")
    return None if values is None else tuple((one["value"], one["documents"]) for one in values)
