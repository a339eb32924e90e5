"""Indexes and their hits as OpenAI's vector stores and search pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from tart.documents import MetadataValue
from tart_index.searcher import Hit, SearchResult
from tart_serve.schemas.vector_stores import FileCounts, StoreContent, StoreHit, StoreSearchPage, VectorStore
from tart_serve.served_indexes import ServedIndex
from tart_serve.served_models import public_name


def search_page(queries: Sequence[str], results: Sequence[SearchResult], most: int) -> StoreSearchPage:
    """The best hits of several queries together, each document once, with its best score."""
    best: dict[str, Hit] = {}
    for hit in (hit for result in results for hit in result.hits):
        known = best.get(hit.document.id)
        if known is None or hit.score > known.score:
            best[hit.document.id] = hit
    ranked = sorted(best.values(), key=lambda hit: -hit.score)
    return StoreSearchPage(
        object="vector_store.search_results.page",
        search_query=list(queries),
        data=[_hit(hit) for hit in ranked[:most]],
        has_more=False,
        next_page=None,
    )


def vector_store(index: ServedIndex) -> VectorStore:
    """An index as a vector store."""
    manifest = index.searcher.folder.manifest
    return VectorStore(
        id=index.name,
        object="vector_store",
        created_at=int(datetime.fromisoformat(manifest.created_at).timestamp()),
        name=index.name,
        usage_bytes=sum(file.bytes for part in manifest.parts for file in part.files.values()),
        file_counts=FileCounts(in_progress=0, completed=manifest.count, failed=0, cancelled=0, total=manifest.count),
        status="completed",
        metadata={
            "version": index.version,
            "fingerprint": index.fingerprint,
            "model": public_name(index.searcher.encoder),
        },
    )


def _hit(hit: Hit) -> StoreHit:
    document = hit.document
    return StoreHit(
        file_id=document.id,
        filename=document.title or document.id,
        score=hit.score,
        attributes=_attributes(document.metadata),
        content=[StoreContent(type="text", text=document.text)],
    )


def _attributes(metadata: Mapping[str, MetadataValue]) -> dict[str, str | int | float | bool]:
    written = {key: json.dumps(value) if isinstance(value, list) else value for key, value in metadata.items()}
    return {key: value for key, value in written.items() if value is not None}
