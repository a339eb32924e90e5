"""What the service tells about an index; its metadata is looked through once a version."""

from __future__ import annotations

import asyncio
from typing import Final, Literal
from weakref import WeakKeyDictionary

from tart_index import Searcher
from tart_index.columns import count_types
from tart_index.facets import few_values
from tart_serve.reloading import Reload
from tart_serve.schemas.indexes import IndexDescription, IndexSummary, LastReload, MetadataKey, MetadataValue
from tart_serve.schemas.search import IndexVersion
from tart_serve.served_indexes import ServedIndex
from tart_serve.served_models import public_name
from tart_serve.soundness import Soundness

_MAX_KEYS = 200
_MAX_VALUES = 24
_SOUNDNESS: Final[dict[Soundness, Literal["unknown", "sound", "damaged"]]] = {
    Soundness.UNKNOWN: "unknown",
    Soundness.SOUND: "sound",
    Soundness.DAMAGED: "damaged",
}


def index_version(index: ServedIndex) -> IndexVersion:
    """Which version of which index."""
    return IndexVersion(name=index.name, version=index.version, fingerprint=index.fingerprint)


def index_summary(index: ServedIndex, soundness: Soundness, last: Reload | None) -> IndexSummary:
    """An index in a list."""
    return IndexSummary(
        object="index",
        name=index.name,
        version=index.version,
        fingerprint=index.fingerprint,
        documents=index.vectors,
        model=public_name(index.searcher.encoder),
        dim=index.searcher.folder.manifest.dim,
        soundness=_SOUNDNESS[soundness],
        last_reload=_last_reload(last),
    )


class MetadataKeys:
    """The metadata keys of each version that is open."""

    def __init__(self) -> None:
        self._found: WeakKeyDictionary[Searcher, list[MetadataKey]] = WeakKeyDictionary()

    async def describe(self, index: ServedIndex, summary: IndexSummary) -> IndexDescription:
        """An index with all that can be asked of it.

        Raises:
            IndexFolderError: It is damaged.
        """
        keys = self._found.get(index.searcher)
        if keys is None:
            keys = self._found[index.searcher] = await asyncio.to_thread(_metadata_keys, index.searcher)
        manifest = index.searcher.folder.manifest
        return IndexDescription(
            **summary.model_dump(),
            created_at=manifest.created_at,
            max_tokens=index.searcher.encoder.max_length,
            truncated=manifest.truncated,
            factory=index.factory,
            default_instruction=manifest.default_instruction,
            prompts=dict(manifest.prompts),
            metadata=keys[:_MAX_KEYS],
            more_keys=max(0, len(keys) - _MAX_KEYS),
        )


def _metadata_keys(searcher: Searcher) -> list[MetadataKey]:
    folder = searcher.folder
    values = few_values(folder.columns, folder.alive, _MAX_VALUES)
    return [
        MetadataKey(
            key=key,
            types=types,
            values=[MetadataValue(value=value, documents=n) for value, n in values[key].items()]
            if key in values
            else None,
        )
        for key, types in count_types(folder.columns, folder.alive).items()
    ]


def _last_reload(last: Reload | None) -> LastReload | None:
    if last is None:
        return None
    return LastReload(result=last.result, at=last.at, took_ms=round(last.seconds * 1_000, 3), reason=last.reason)
