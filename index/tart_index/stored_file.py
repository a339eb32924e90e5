"""What a manifest says of a file: its size and its checksum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tart.errors import IndexFolderError

_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a part: its size in bytes and its SHA-256."""

    bytes: int
    sha256: str

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> StoredFile:
        """Reads what `dataclasses.asdict` made of it."""
        return cls(int(row["bytes"]), str(row["sha256"]))


def check_stored(file: StoredFile, owner: str) -> None:
    """Refuses a size or checksum that no file can have.

    Raises:
        IndexFolderError: It is not valid.
    """
    if file.bytes < 1 or not _CHECKSUM.fullmatch(file.sha256):
        raise IndexFolderError(f"{owner} has no valid checksum; the index is damaged")
