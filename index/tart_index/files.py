"""Files that must be whole: checksums, flushes, and errors that say what to do."""

from __future__ import annotations

import errno
import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from tart.errors import IndexFolderError
from tart_index.stored_file import StoredFile

_CHUNK = 1 << 20


def stored(file: Path) -> StoredFile:
    """Size and checksum of a file as it is now."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return StoredFile(file.stat().st_size, "sha256:" + digest.hexdigest())


def check_size(file: Path, wanted: StoredFile) -> None:
    """Compares a file's size with what was stored.

    Raises:
        IndexFolderError: The file is missing or has another size.
    """
    try:
        size = file.stat().st_size
    except OSError as error:
        raise IndexFolderError(f"{file}: {error.strerror}; build the index anew") from error
    if size != wanted.bytes:
        raise IndexFolderError(f"{file}: {size} bytes, the manifest says {wanted.bytes}; build the index anew")


def check_content(file: Path, wanted: StoredFile) -> None:
    """Compares a file's bytes with what was stored.

    Raises:
        IndexFolderError: The file is missing or its bytes have changed.
    """
    check_size(file, wanted)
    if stored(file) != wanted:
        raise IndexFolderError(f"{file}: its bytes have changed since it was written; build the index anew")


def open_array(file: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Maps an array into memory; the array cannot be written to, and holds no file handle.

    `numpy.load` would keep one for each array, and an index of a million documents has hundreds.

    Raises:
        IndexFolderError: The file is missing, or is no array of this shape and number type.
    """
    try:
        with pa.memory_map(str(file)) as mapped:
            content = mapped.read_buffer()
        found, offset = _read_header(pa.BufferReader(content))
        if found == (shape, np.dtype(dtype)):
            return np.frombuffer(content, dtype, math.prod(shape), offset).reshape(shape)
    except Exception as error:
        raise IndexFolderError(f"{file}: not an array file ({error}); build the index anew") from error
    raise IndexFolderError(
        f"{file}: found {found[0]} {found[1]}; wanted {shape} {np.dtype(dtype)}; build the index anew"
    )


def _read_header(stream: Any) -> tuple[tuple[tuple[int, ...], np.dtype[Any]], int]:
    """Shape and number type of an array file, and where its numbers begin."""
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("a version that this program does not write")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if fortran_order and len(shape) > 1:
        raise ValueError("columns one after the other")
    return (shape, dtype), stream.tell()


def write_array(file: Path, array: NDArray[Any]) -> None:
    """Writes an array as `numpy.save` does, but for its error: NumPy's does not tell that the disk is full.

    Args:
        file: Is made or replaced.
        array: In C order.
    """
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
        stream.write(array.data.cast("B"))


def write_synced(file: Path, content: bytes) -> None:
    """Writes a file through to the disk."""
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def replace_synced(file: Path, content: bytes) -> None:
    """Puts a file in place whole, by one rename, and flushes its folder."""
    new = file.with_name(f"{file.name}.new")
    write_synced(new, content)
    new.replace(file)
    sync(file.parent)


def sync(path: Path) -> None:
    """Flushes a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a failing disk into an error that says what to do.

    Raises:
        IndexFolderError: The operating system refused a write.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "free some space and run the same command again: finished parts are kept"
            raise IndexFolderError(f"{path}: the disk is full; {advice}") from error
        raise IndexFolderError(f"{path}: cannot be written ({error.strerror or error})") from error
