"""The indexes of a service by name, each in the version that is in service now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tart.encoder import Encoder
from tart.errors import IndexFolderError
from tart_index import Searcher
from tart_serve.refusal import FieldFault, Refusal


class ServedIndex(NamedTuple):
    """One version of an index, as a request sees it from its start to its end.

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

    @classmethod
    def of(cls, name: str, searcher: Searcher) -> ServedIndex:
        """An open version under a name."""
        manifest = searcher.folder.manifest
        return cls(name, searcher, str(manifest.version), manifest.fingerprint)

    @property
    def vectors(self) -> int:
        """How many documents can be found."""
        return len(self.searcher.folder)

    @property
    def factory(self) -> str:
        """The structure that is searched, in FAISS's words; "Flat" scores every vector."""
        structure = self.searcher.folder.manifest.structure
        return "Flat" if structure is None else structure.factory


class ServedIndexes:
    """Indexes by name; at least one. Which there are never changes, their versions do.

    A request takes a version once and keeps it; a version that no request holds any more is closed by itself, its
    memory maps with it.

    Raises:
        IndexFolderError: There is none.
    """

    def __init__(self, searchers: Mapping[str, Searcher]) -> None:
        if not searchers:
            raise IndexFolderError("no index to serve; give one or more")
        self._indexes = {name: ServedIndex.of(name, searcher) for name, searcher in searchers.items()}

    def __iter__(self) -> Iterator[ServedIndex]:
        return iter(list(self._indexes.values()))

    def named(self, name: str | None) -> ServedIndex:
        """The index that a body names; without a name, the only index there is.

        Raises:
            Refusal: There is no such index (404), or there are several and none was named (422).
        """
        if name is None:
            if len(self._indexes) > 1:
                detail = f"several indexes are served; name one of: {self._known()}"
                raise Refusal(422, f"index: {detail}", [FieldFault("#/index", detail)])
            return next(iter(self))
        if name not in self._indexes:
            detail = self._unknown(name)
            raise Refusal(404, detail, [FieldFault("#/index", detail)])
        return self._indexes[name]

    def at(self, name: str) -> ServedIndex:
        """The index that a path names.

        Raises:
            Refusal: There is no such index (404).
        """
        if name not in self._indexes:
            raise Refusal(404, self._unknown(name))
        return self._indexes[name]

    def switch(self, index: ServedIndex) -> None:
        """Puts a version in service, in the place of the one of the same name."""
        self._indexes[index.name] = index

    def _unknown(self, name: str) -> str:
        return f"there is no index {name[:100]!r}; there are: {self._known()}"

    def _known(self) -> str:
        return ", ".join(sorted(self._indexes))


class CurrentEncoders:
    """The encoders of the versions that are in service at the moment."""

    def __init__(self, indexes: ServedIndexes) -> None:
        self._indexes = indexes

    def __iter__(self) -> Iterator[Encoder]:
        return (index.searcher.encoder for index in self._indexes)
