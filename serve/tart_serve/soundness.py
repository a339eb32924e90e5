"""What is known of the files of an index: parts that were read whole need not be read again in the next version."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from tart_index import IndexFolder, Searcher
from tart_index.folder import PARTS
from tart_index.manifest import Part
from tart_serve.served_indexes import ServedIndex

# Device, inode, size and time of the last change of each file of a part: other files, or changed ones, differ.
_Stamp: TypeAlias = tuple[tuple[int, int, int, int], ...]


class Soundness(Enum):
    """What is known of an index's files, in words that follow its name."""

    UNKNOWN = "is still being verified"
    SOUND = "is sound"
    DAMAGED = "is damaged: the operator should run tart index verify"


class SoundPart(NamedTuple):
    """A part that was read whole and found right, and how its files were then."""

    part: Part
    stamp: _Stamp


SoundParts: TypeAlias = Mapping[str, SoundPart]


class Interrupted(Exception):  # noqa: N818 (it is no error: the service ends)
    """A verification was stopped before its end."""


def read_whole(folder: IndexFolder, known: SoundParts, stopped: threading.Event) -> dict[str, SoundPart]:
    """Reads every byte of a version, but for parts that are known and whose files nobody has touched since.

    Reading also brings the vectors into memory, so that the first searches of the version need not wait for the disk.

    Raises:
        IndexFolderError: Something is damaged.
        Interrupted: It was stopped.
    """
    sound: dict[str, SoundPart] = {}
    for number, part in enumerate(folder.manifest.parts):
        if stopped.is_set():
            raise Interrupted
        found = SoundPart(part, _stamp(folder, part))
        if known.get(part.name) != found:
            folder.verify_part(number)
        sound[part.name] = found
    return sound


class VerifiedVersions:
    """What is known of each version that is open; one that is closed is forgotten."""

    def __init__(self) -> None:
        self._soundness: WeakKeyDictionary[Searcher, Soundness] = WeakKeyDictionary()
        self._parts: WeakKeyDictionary[Searcher, SoundParts] = WeakKeyDictionary()

    def of(self, index: ServedIndex) -> Soundness:
        """What is known of a version."""
        return self._soundness.get(index.searcher, Soundness.UNKNOWN)

    def parts(self, index: ServedIndex) -> SoundParts:
        """The parts of a version that were read whole."""
        return self._parts.get(index.searcher, {})

    def sound(self, index: ServedIndex, parts: SoundParts) -> None:
        """A version was read whole and is sound."""
        self._parts[index.searcher] = parts
        self._soundness[index.searcher] = Soundness.SOUND

    def damaged(self, index: ServedIndex) -> None:
        """A version proved damaged."""
        self._parts.pop(index.searcher, None)
        self._soundness[index.searcher] = Soundness.DAMAGED


def _stamp(folder: IndexFolder, part: Part) -> _Stamp:
    states = [(folder.path / PARTS / part.name / name).stat() for name in sorted(part.files)]
    return tuple((state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns) for state in states)
