"""The calls that a service takes, one function each. Both clients have them as methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from tart_serve.client import index_replies, replies
from tart_serve.client.call import Call
from tart_serve.client.paths import document_path, index_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

Included: TypeAlias = Literal["title", "text", "metadata"]


class SearchOptions(TypedDict, total=False):
    """What a search may say besides its query; what is left out, or None, is the service's default.

    Attributes:
        instruction: What kind of document should answer; empty for none, None for the index's default.
        prompt_name: A named instruction of the index, instead of `instruction`.
        index: Which one; needed only where several are served.
        top_k: Hits wanted.
        offset: Hits passed over before the first.
        filter: Only documents whose metadata fits: `{"type": "eq", "key": "kind", "value": "code"}`.
        rerank: How many of the best hits a reranker orders anew, where one is served.
        score_threshold: Hits that score less are left out.
        include: What a hit carries besides rank, id and score.
        truncate: Cut the end of a query that is too long instead of refusing it.
    """

    instruction: str | None
    prompt_name: str | None
    index: str | None
    top_k: int | None
    offset: int | None
    filter: Mapping[str, Any] | None
    rerank: int | None
    score_threshold: float | None
    include: Sequence[Included] | None
    truncate: bool | None


def search(query: str, **options: Unpack[SearchOptions]) -> Call[replies.SearchReply]:
    """Finds the documents that answer a query under an instruction; options as in `SearchOptions`."""
    if not isinstance(query, str):
        raise TypeError(f"query is a {type(query).__name__}; wanted a string, or search_batch for several")
    return Call("POST", "/v1/search", replies.search_reply, {"query": query, **_search_fields(options)})


def search_batch(queries: Sequence[str], **options: Unpack[SearchOptions]) -> Call[replies.BatchReply]:
    """Finds documents for several queries at once, each on its own: a bad one does not fail the others."""
    if isinstance(queries, str):
        raise TypeError("queries is one string; wanted a list of them, or search for one query")
    return Call("POST", "/v1/search", replies.batch_reply, {"query": list(queries), **_search_fields(options)})


def embed(
    inputs: str | Sequence[str],
    *,
    model: str,
    instruction: str | None = None,
    input_type: Literal["query", "document"] | None = None,
    truncate: bool | None = None,
) -> Call[replies.EmbedReply]:
    """Turns texts into vectors: as queries, or as an index does its documents.

    Args:
        inputs: One text or several.
        model: The served model's name.
        instruction: What a query is to find.
        input_type: Which side of the model's input format to apply; queries by default.
        truncate: Cut the end of an input that is too long instead of refusing it.
    """
    given = inputs if isinstance(inputs, str) else list(inputs)
    options = _given(instruction=instruction, input_type=input_type, truncate=truncate)
    body = {"input": given, "model": model, "encoding_format": "base64", **options}
    return Call("POST", "/v1/embeddings", replies.embed_reply, body)


def rerank(
    query: str,
    documents: Sequence[str],
    *,
    instruction: str | None = None,
    model: str | None = None,
    top_n: int | None = None,
) -> Call[replies.RerankReply]:
    """Puts texts in the order in which they answer a query under an instruction.

    Args:
        query: What the texts should answer.
        documents: The texts.
        instruction: What the query is to find.
        model: The served reranker, or a served embedding model; the service chooses where none is named.
        top_n: Only so many of the best come back.
    """
    body = {"query": query, "documents": list(documents), "return_documents": False}
    options = _given(instruction=instruction, model=model, top_n=top_n)
    return Call("POST", "/v1/rerank", replies.rerank_reply, {**body, **options})


def indexes() -> Call[tuple[index_replies.IndexSummary, ...]]:
    """Which indexes there are, and which version of each answers."""
    return Call("GET", "/v1/indexes", index_replies.index_list)


def index(name: str) -> Call[index_replies.IndexDescription]:
    """An index: its version in service, its instructions, the metadata that filters may use."""
    return Call("GET", index_path(name), index_replies.index_description)


def reload(name: str, *, verify: bool = False) -> Call[index_replies.ReloadReply]:
    """Switches an index to the version that is published in its folder; `verify` reads every file again."""
    path = f"{index_path(name)}:reload"
    return Call("POST", path, index_replies.reload_reply, {"verify": verify}, changes_nothing=False)


def get_document(id: str, *, index: str) -> Call[index_replies.StoredDocument]:  # noqa: A002 (what it is called)
    """A document as an index holds it."""
    return Call("GET", document_path(index, id), index_replies.stored_document)


def delete_document(id: str, *, index: str) -> Call[index_replies.Changed]:  # noqa: A002
    """Takes a document out of an index, where the service allows writes."""
    return Call("DELETE", document_path(index, id), index_replies.changed, changes_nothing=False)


def instructions() -> Call[replies.Instructions]:
    """The instructions that are stored with the indexes, and words to compose others of."""
    return Call("GET", "/v1/instructions", replies.instructions)


def ready() -> Call[replies.Ready]:
    """Whether searches on every index are answered now; an `UnavailableError` tells why not. Tried once."""
    return Call("GET", "/readyz", replies.ready, patient=False)


def _search_fields(options: SearchOptions) -> dict[str, Any]:
    fields = _given(**options)
    if "rerank" in fields:
        fields["rerank"] = {"top_n": fields["rerank"]}
    if "include" in fields:
        fields["include"] = list(fields["include"])
    return fields


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
