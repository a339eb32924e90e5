"""The indexes of a service by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tart.errors import IndexFolderError
from tart_index import Searcher
from tart_serve.refusal import FieldFault, Refusal


class ServedIndex(NamedTuple):
    """An index as requests see it.

    Attributes:
        name: That requests call it by.
        searcher: Answers from one version of it.
        version: Which one.
        fingerprint: Of its content; taken once, for that reads the whole manifest.
    """

    name: str
    searcher: Searcher
    version: str
    fingerprint: str


class ServedIndexes:
    """Indexes by name; at least one.

    Raises:
        IndexFolderError: There is none.
    """

    def __init__(self, searchers: Mapping[str, Searcher]) -> None:
        if not searchers:
            raise IndexFolderError("no index to serve; give one or more")
        self._indexes = {name: _served(name, searcher) for name, searcher in searchers.items()}

    def __iter__(self) -> Iterator[ServedIndex]:
        return iter(self._indexes.values())

    def named(self, name: str | None) -> ServedIndex:
        """The index of a name; without one, the only index there is.

        Raises:
            Refusal: There is no such index (404), or there are several and none was named (422).
        """
        known = ", ".join(sorted(self._indexes))
        if name is None:
            if len(self._indexes) > 1:
                detail = f"several indexes are served; name one of: {known}"
                raise Refusal(422, f"index: {detail}", [FieldFault("#/index", detail)])
            return next(iter(self))
        if name not in self._indexes:
            detail = f"there is no index {name[:100]!r}; there are: {known}"
            raise Refusal(404, detail, [FieldFault("#/index", detail)])
        return self._indexes[name]


def _served(name: str, searcher: Searcher) -> ServedIndex:
    manifest = searcher.folder.manifest
    return ServedIndex(name, searcher, str(manifest.version), manifest.fingerprint)
