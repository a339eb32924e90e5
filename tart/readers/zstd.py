"""A zstd file as a stream of bytes."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

import zstandard

if TYPE_CHECKING:
    from typing_extensions import Buffer

_CHUNK = 1 << 14
# Frames of `zstd --long=31`, common for large corpora; memory is taken only for frames that ask for it.
_LARGEST_WINDOW = 1 << 31


class ZstdReader(io.RawIOBase):
    """Decompresses one frame after another.

    Unlike `zstandard`'s own reader it raises `EOFError` where a file ends in the middle of a frame.
    """

    def __init__(self, compressed: IO[bytes]) -> None:
        super().__init__()
        self._compressed = compressed
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._in_frame = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """As every reader."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fills the buffer as far as data are at hand; 0 is the end.

        Raises:
            EOFError: The data are damaged or end in the middle of a frame.
        """
        target = memoryview(buffer).cast("B")
        while not self._ready and self._decompress():
            pass
        taken = self._ready[: len(target)]
        target[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)

    def _decompress(self) -> bool:
        """Makes the next chunk ready; false at the end of the file."""
        chunk = self._frame.unused_data if self._frame.eof else b""
        chunk = chunk or self._compressed.read(_CHUNK)
        if not chunk:
            if self._in_frame:
                raise EOFError("zstd data end in the middle of a frame")
            return False
        if self._frame.eof:
            self._frame = self._decompressor.decompressobj()
        try:
            self._ready = memoryview(self._frame.decompress(chunk))
        except zstandard.ZstdError as error:
            raise EOFError(f"no zstd data: {error}") from error
        self._in_frame = not self._frame.eof
        return True
