"""A scoring run on disk: how far it came and what it had, in one file that is whole or not there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart_index.files import sync, writing

SECONDS = 10.0
# Writing takes at most this share of the time.
_SHARE = 0.05


class Checkpoint:
    """Saves the state of a scoring run now and then, and finds it again.

    Args:
        file: Replaced by one rename each time.
        identity: Of everything that decides the scores; a file of another identity counts as none.
        seconds: Between two savings; more where one takes long. 0 saves after every block.
    """

    def __init__(self, file: Path, identity: str, seconds: float = SECONDS) -> None:
        self._file = file
        self._identity = identity
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def load(self) -> tuple[int, dict[str, NDArray[Any]]] | None:
        """How many blocks were done and the arrays then; None where there is no whole file of this run."""
        try:
            with self._file.open("rb") as stream:
                header = json.loads(stream.readline())
                body = stream.read()
            known = header["identity"] == self._identity and header["sha256"] == hashlib.sha256(body).hexdigest()
            return (int(header["blocks"]), _arrays(header["arrays"], body)) if known else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def is_due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() >= self._next

    def save(self, blocks: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Saves the state after some blocks.

        Raises:
            IndexFolderError: The disk is full or refuses.
        """
        started = time.monotonic()
        parts = [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        shapes = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
        header = {"identity": self._identity, "blocks": blocks, "arrays": shapes, "sha256": digest.hexdigest()}
        new = self._file.with_name(f"{self._file.name}.new")
        with writing(self._file.parent):
            with new.open("wb") as stream:
                stream.write(json.dumps(header).encode() + b"\n")
                stream.writelines(parts)
            sync(new)
            new.replace(self._file)
            sync(self._file.parent)
        ended = time.monotonic()
        self._next = ended + (max(self._seconds, (ended - started) / _SHARE) if self._seconds else 0)

    def remove(self) -> None:
        """Forgets the run."""
        self._file.unlink(missing_ok=True)


def _arrays(shapes: list[list[Any]], body: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a body, one behind the other."""
    arrays: dict[str, NDArray[Any]] = {}
    start = 0
    for name, dtype, shape in shapes:
        count = int(np.prod(shape))
        arrays[str(name)] = np.frombuffer(body, np.dtype(dtype), count, start).reshape(shape)
        start += count * np.dtype(dtype).itemsize
    return arrays
