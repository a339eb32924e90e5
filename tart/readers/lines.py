"""The lines of a text file: plain, gzip or zstd, from a path or standard input, without holding the file."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from tart.errors import SourceError
from tart.readers.rows import STANDARD_INPUT, BadRow, shown_path

COMPRESSIONS = (".gz", ".zst")

# What takes the place of bytes that are not valid in the encoding: U+DC00 plus the first byte. Text never holds these.
_UNDECODED = re.compile("[\udc00-\udcff]")


def text_lines(path: Path, encoding: str, newline: Literal["", "\n"] = "\n") -> Iterator[str]:
    """Streams the lines with their line ends; `bad_bytes` tells which of them hold bytes that are not valid.

    A line ends at a line feed, or with `newline=""` at a carriage return too. A byte order mark is left out.

    Raises:
        SourceError: The file cannot be opened or read, or its compressed data are damaged.
    """
    with _open_errors(path), _open_bytes(path) as binary:
        text = io.TextIOWrapper(binary, encoding=encoding, errors="tart.undecoded", newline=newline)
        try:
            line = text.readline().removeprefix("\ufeff")
            while line:  # Not `yield from`, which closes what it takes from, and standard input is only lent.
                yield line
                line = text.readline()
        finally:
            if not binary.closed:  # A reader that was given up may end after standard input has been closed.
                text.detach()


def bad_bytes(path: Path, line: int, text: str, encoding: str) -> BadRow | None:
    """The bad row of a text that holds bytes which the encoding does not have; `line` is where the text starts."""
    found = None if text.isascii() else _UNDECODED.search(text)
    if found is None:
        return None
    byte = ord(found.group()) - 0xDC00
    return BadRow(path, line + text.count("\n", 0, found.start()), "bad encoding", bad_byte_problem(byte, encoding))


def bad_byte_problem(byte: int, encoding: str) -> str:
    """What is wrong with bytes that the encoding does not have, and what to do."""
    return f"byte 0x{byte:02x} is not valid {encoding}; name the encoding of the file with --encoding"


def read_bytes(path: Path) -> bytes:
    """The whole of one file, decompressed.

    Raises:
        SourceError: The file cannot be opened or read, or its compressed data are damaged.
    """
    with _open_errors(path), _open_bytes(path) as binary:
        return binary.read()


def starts_with(path: Path, mark: bytes) -> bool:
    """Whether the first byte of a file that is neither white space nor part of a byte order mark is this one.

    Raises:
        SourceError: The file cannot be opened or read, or its compressed data are damaged.
    """
    with _open_errors(path), _open_bytes(path) as binary:
        return binary.read(256).lstrip(b"\xef\xbb\xbf\xfe\xff\x00 \t\r\n").startswith(mark)


@contextmanager
def _open_errors(path: Path) -> Iterator[None]:
    """Names the file in what goes wrong while it is read."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(
            f"{shown_path(path)}: the compressed data are damaged or cut short ({error}); fetch the file again"
        ) from error
    except OSError as error:
        raise SourceError(
            f"{shown_path(path)}: cannot be read ({error.strerror or error}); wanted a file that this user may read"
        ) from error


@contextmanager
def _open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file, or lends standard input, decompressing by the last suffix."""
    if path == STANDARD_INPUT:
        if sys.stdin is None:
            raise SourceError("there is no standard input to read from; name a file instead of '-'")
        yield sys.stdin.buffer
    elif path.suffix.lower() == ".gz":
        with io.BufferedReader(gzip.open(path, "rb")) as unzipped:
            yield unzipped
    elif path.suffix.lower() == ".zst":
        from tart.readers.zstd import ZstdReader

        with path.open("rb") as compressed, io.BufferedReader(ZstdReader(compressed), 1 << 16) as binary:
            yield binary
    else:
        with path.open("rb") as binary:
            yield binary


def _mark_undecoded(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler: marks bytes that cannot be decoded and goes on behind them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return chr(0xDC00 + error.object[error.start]), error.end


codecs.register_error("tart.undecoded", _mark_undecoded)
