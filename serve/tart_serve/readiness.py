"""Readiness: an index is ready when every byte was verified and a canary finds something in it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

from tart.errors import IndexFolderError
from tart_index.folder import read_manifest
from tart_serve.caller import own_task
from tart_serve.canary import CanaryError, send_canary
from tart_serve.engine import Engine
from tart_serve.refusal import Refusal
from tart_serve.served_indexes import ServedIndex, ServedIndexes
from tart_serve.soundness import Interrupted, Soundness, SoundParts, VerifiedVersions, read_whole

_LOG = logging.getLogger("tart_serve")


class Readiness:
    """Verifies indexes in the background and sends canaries through them.

    Later versions are verified before they are switched to (see `tart_serve.reloading`), so this is about the
    versions that the service starts with.

    Args:
        indexes: All that are served.
        verified: What is known of their files.
        engine: Where canaries wait their turn behind real requests.
        deadline: Seconds that all canaries together may take.
    """

    def __init__(self, indexes: ServedIndexes, verified: VerifiedVersions, engine: Engine, deadline: float) -> None:
        self._indexes = indexes
        self._verified = verified
        self._engine = engine
        self._deadline = deadline
        self._stopped = threading.Event()
        self._verification: asyncio.Task[None] | None = None
        self._canaries: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to verify in the background."""
        self._stopped.clear()
        self._verification = asyncio.create_task(self.verify())

    async def stop(self) -> None:
        """Ends the verification after the part that it reads now."""
        self._stopped.set()
        if self._verification is not None:
            await self._verification

    async def verify(self) -> None:
        """Reads every index whole; the service answers meanwhile."""
        for index in self._indexes:
            found = await asyncio.to_thread(self._read_whole, index)
            if found is Soundness.DAMAGED:
                self._verified.damaged(index)
            elif not isinstance(found, Soundness):
                self._verified.sound(index, found)

    def refuse_damaged(self, index: ServedIndex) -> None:
        """Refuses to answer from files that were found damaged.

        Raises:
            Refusal: They were (503).
        """
        if self._verified.of(index) is Soundness.DAMAGED:
            raise Refusal(503, f"index {index.name!r} {Soundness.DAMAGED.value}")

    async def check(self) -> float:
        """Whether every index is sound and answers.

        Returns:
            The seconds that the canaries took, their wait included.

        Raises:
            Refusal: Something is not ready (503).
        """
        found = {index.name: self._verified.of(index) for index in self._indexes}
        faulty = [f"index {name!r} {one.value}" for name, one in found.items() if one is not Soundness.SOUND]
        if faulty:
            raise Refusal(503, "; ".join(faulty))
        started = time.perf_counter()
        # A probe that comes while the last one's canaries still wait joins them, so that probes never pile up.
        if self._canaries is None or self._canaries.done():
            self._canaries = own_task(self._send_canaries())
            self._canaries.add_done_callback(_note_outcome)
        try:
            await asyncio.wait_for(asyncio.shield(self._canaries), self._deadline)
        except asyncio.TimeoutError as error:
            detail = f"a canary search got no answer within {self._deadline:g} s; the service is busy or stuck"
            raise Refusal(503, detail) from error
        return time.perf_counter() - started

    def _read_whole(self, index: ServedIndex) -> SoundParts | Soundness:
        folder = index.searcher.folder
        try:
            return read_whole(folder, {}, self._stopped)
        except Interrupted:
            return Soundness.UNKNOWN
        except Exception as error:  # noqa: BLE001 (whatever bytes a damaged file holds, it must not end the service)
            if _superseded(index):
                _LOG.warning("index %s: version %s was replaced while it was verified", index.name, index.version)
                return Soundness.UNKNOWN
            _LOG.error("index %s is damaged: %s", index.name, error)
            return Soundness.DAMAGED

    async def _send_canaries(self) -> None:
        for index in self._indexes:
            try:
                await send_canary(self._engine, index)
            except CanaryError as error:
                raise Refusal(503, str(error)) from error
            except Refusal as refusal:
                raise Refusal(
                    503, f"a canary search on index {index.name!r} was refused: {refusal.detail}"
                ) from refusal


def _superseded(index: ServedIndex) -> bool:
    """Whether the folder holds another version by now, whose writer may have taken the old one's files away."""
    try:
        return read_manifest(index.searcher.folder.path).fingerprint != index.fingerprint
    except IndexFolderError:
        return False


def _note_outcome(canaries: asyncio.Task[None]) -> None:
    """Takes the error of canaries that no probe waits for any more, which asyncio would else complain about."""
    if not canaries.cancelled():
        canaries.exception()
