"""The files below a folder, in a fixed order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tart.errors import SourceError
from tart.readers.rows import BadRow, shown_path, shown_value


def files_below(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[Path]:
    """Streams the files below a folder, sorted by their POSIX paths.

    Hidden files and folders, and what `wanted` refuses by name, are passed over; links to folders are not followed.

    Raises:
        SourceError: A folder cannot be listed.
    """
    for name in _names(folder):
        if not wanted(name.rstrip("/")):
            continue
        if name.endswith("/"):
            yield from files_below(folder / name, wanted)
        else:
            yield folder / name


def files_in(folder: Path) -> Iterator[Path]:
    """Streams the files directly in a folder, sorted by name, without hidden ones.

    Raises:
        SourceError: The folder cannot be listed.
    """
    return (folder / name for name in _names(folder) if not name.endswith("/"))


def _names(folder: Path) -> list[str]:
    """What lies in a folder and is not hidden; folders end with a slash, so that names sort as whole paths do."""
    try:
        with os.scandir(folder) as scan:
            entries = [(entry.name, entry.is_dir(), entry.is_symlink()) for entry in scan]
    except OSError as error:
        raise SourceError(
            f"{shown_path(folder)}: the folder cannot be listed ({error.strerror}); wanted one that this user may read"
        ) from error
    return sorted(
        name + "/" * is_folder
        for name, is_folder, is_link in entries
        if not (name.startswith(".") or (is_folder and is_link))
    )


def undecodable_name(path: Path, name: str) -> BadRow | None:
    """The bad row of a file whose name is no text: its bytes come as lone surrogates, which no id can hold."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        problem = f"the file name {shown_value(name)} is not valid UTF-8 and gives no id; rename the file"
        return BadRow(path, 1, "bad encoding", problem)
    return None
