"""The version that is published in an index folder: opened with the model that made it, and read whole."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tart.encoder import Encoder
from tart.errors import DependencyError, IndexFolderError, IndexModelError, ModelError
from tart_index import IndexFolder, Searcher
from tart_index.folder import read_manifest
from tart_index.manifest import Manifest
from tart_serve.open_indexes import EncoderSettings, encoder_of
from tart_serve.served_indexes import ServedIndex
from tart_serve.soundness import Interrupted, SoundParts, read_whole

_LOG = logging.getLogger("tart_serve")
# A writer may publish again and again while a version is read, and take the files of that version away.
_ATTEMPTS = 10


class NewVersion(NamedTuple):
    """A version that is open, and the parts of it that were read whole."""

    served: ServedIndex
    parts: SoundParts


class Unfit(NamedTuple):
    """A version that cannot be served.

    Attributes:
        reason: Why, in words that follow "it"; no path stands in them, the log has those.
        lasting: Whether it stays so until somebody changes the folder.
        is_current: Whether the version in service is the same.
    """

    reason: str
    lasting: bool = True
    is_current: bool = False


class Unchanged(NamedTuple):
    """The version that is published is in service already."""


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """What is to be opened.

    Attributes:
        path: The index folder, or a link to it.
        current: The version in service.
        known: Parts of that one, which need not be read again.
        encoders: Those in service; another one is loaded only where none of them made the new version.
        settings: How that one is loaded.
        again: Open and read everything even if the version in service is the same.
        stopped: Set when the service ends.
    """

    path: Path
    current: ServedIndex
    known: SoundParts
    encoders: Iterable[Encoder]
    settings: EncoderSettings
    again: bool
    stopped: threading.Event

    def open(self) -> NewVersion | Unfit | Unchanged:
        """Opens the version and reads it whole. Blocks; raises nothing, for an error would keep memory maps alive."""
        try:
            for _ in range(_ATTEMPTS):
                manifest = read_manifest(self.path)
                if not self.again and self._is_current(manifest):
                    return Unchanged()
                found = self._opened()
                if not isinstance(found, Unfit) or not self._superseded(manifest):
                    return found
        except IndexFolderError as error:
            _LOG.warning("index %s: no version can be read: %s", self.current.name, error)
            return Unfit("has no manifest, or one that cannot be read")
        except Exception:  # noqa: BLE001 (nothing that lies in a folder may end the service)
            _LOG.exception("index %s: the published version cannot be opened", self.current.name)
            return Unfit("cannot be opened")
        return Unfit("is replaced faster than it can be read", lasting=False)

    def _opened(self) -> NewVersion | Unfit:
        """The published version, or why it is unfit."""
        # A link that names the current folder may be turned to another one while this one is read.
        path = self.path.resolve()
        is_current = False
        try:
            folder = IndexFolder.open(path)
            is_current = self._is_current(folder.manifest)
            searcher = Searcher(folder, self._encoder(folder.manifest))
            parts = read_whole(folder, {} if self.again else self.known, self.stopped)
        except Interrupted:
            return Unfit("was not read to its end: the service ends", lasting=False)
        except (ModelError, IndexModelError, DependencyError) as error:
            _LOG.error("index %s: the model of its new version is not here: %s", self.current.name, error)
            return Unfit("was made by a model that cannot be loaded here")
        except Exception as error:  # noqa: BLE001 (whatever bytes a damaged file holds, it must not end the service)
            _LOG.error("index %s: a file of its published version is damaged: %s", self.current.name, error)
            return Unfit("is damaged: the operator should run tart index verify", is_current=is_current)
        return NewVersion(ServedIndex.of(self.current.name, searcher), parts)

    def _encoder(self, manifest: Manifest) -> Encoder:
        """An encoder in service that made the version, or else one that is loaded now."""
        found = encoder_of(manifest, self.encoders)
        if found is not None:
            return found
        _LOG.info("index %s: loading the model %s", self.current.name, manifest.model.name)
        return self.settings.load(manifest)

    def _is_current(self, manifest: Manifest) -> bool:
        return (str(manifest.version), manifest.fingerprint) == (self.current.version, self.current.fingerprint)

    def _superseded(self, manifest: Manifest) -> bool:
        """Whether another version was published since."""
        now = read_manifest(self.path)
        return (now.version, now.fingerprint) != (manifest.version, manifest.fingerprint)
