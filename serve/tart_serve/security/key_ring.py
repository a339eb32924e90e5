"""The keys that a running service takes. The file is read again when it changes, so a key is revoked at once."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tart_serve.security.api_keys import ApiKey, KeyFileError, key_digest
from tart_serve.security.key_file import distinct_keys, read_keys

_LOG = logging.getLogger("tart_serve.keys")


class _Stamp(NamedTuple):
    """What tells that a file has changed."""

    modified: int
    changed: int
    size: int
    inode: int


class KeyRing:
    """Keys of a file and of lines that do not change.

    What goes wrong while the service runs closes doors and opens none: a line that cannot be read is a key that is
    not taken, a file that is gone leaves no key of it.

    Args:
        file: Of keys.
        lines: More keys, from the environment.

    Raises:
        KeyFileError: There is no key, or one cannot be read.
    """

    def __init__(self, file: Path | None, lines: Sequence[str] = ()) -> None:
        self._file = file
        self._stamp = _stamp(file) if file else None
        self._fixed = distinct_keys((f"environment, key {number}", line) for number, line in enumerate(lines, 1))
        self._from_file = read_keys(file) if file else ()
        if not self._keys:
            where = str(file) if file else "the environment"
            raise KeyFileError(f"there is no key in {where}; make one: tart keys new --keys {file or 'FILE'}")

    @property
    def _keys(self) -> tuple[ApiKey, ...]:
        return self._fixed + self._from_file

    def find(self, presented: str) -> ApiKey | None:
        """The key that was presented, if it is taken.

        Every stored hash is compared, and each in constant time: how long this takes tells nothing about them.
        """
        self._read_again_if_changed()
        digest = key_digest(presented)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _read_again_if_changed(self) -> None:
        if self._file is None:
            return
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        # Taken before the file is read: a change meanwhile is then seen the next time.
        self._stamp = stamp
        try:
            self._from_file = read_keys(self._file, lambda fault: _LOG.error("key not taken: %s", fault))
        except KeyFileError as error:
            self._from_file = ()
            _LOG.error("no key of the file is taken any more: %s", error)
        else:
            _LOG.warning("the keys were read again; there are now %d", len(self._keys))


def _stamp(file: Path) -> _Stamp | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return _Stamp(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
