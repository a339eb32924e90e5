"""Reloads: a newly published version of an index is opened, verified, tried out and then switched to."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from tart_index.folder import MANIFEST
from tart_serve.canary import CanaryError, send_canary
from tart_serve.engine import Engine
from tart_serve.new_version import NewVersion, PublishedVersion, Unfit
from tart_serve.open_indexes import EncoderSettings
from tart_serve.refusal import Refusal
from tart_serve.served_indexes import CurrentEncoders, ServedIndex, ServedIndexes
from tart_serve.soundness import Soundness, VerifiedVersions

_LOG = logging.getLogger("tart_serve")
_OVERLOADED = (429, 503, 504)
_CANARY_PAUSE = 0.05

ReloadResult: TypeAlias = Literal["switched", "unchanged", "refused"]
# Inode, size and time of the last change of a manifest; None where there is none.
_Stamp: TypeAlias = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class ReloadSettings:
    """How new versions of indexes come into service.

    Attributes:
        interval: Seconds between two looks at the folders; 0 leaves reloading to requests for it.
        canary_patience: Seconds that a new version's canary search may wait while the service is overloaded.
        encoders: How the model of a new version is loaded, where it is not in service already.
    """

    interval: float = 1.0
    canary_patience: float = 30.0
    encoders: EncoderSettings = field(default_factory=EncoderSettings)


class Reload(NamedTuple):
    """What came of a reload.

    Attributes:
        result: Whether another version is in service now.
        version: In service now; a reload that was refused leaves the old one.
        fingerprint: Of its content.
        at: UTC, ISO 8601.
        seconds: That it took.
        reason: Why a version was refused.
        lasting: Whether a version that was refused will be refused again as it is.
    """

    result: ReloadResult
    version: str
    fingerprint: str
    at: str
    seconds: float
    reason: str | None = None
    lasting: bool = True


class Reloader:
    """Switches indexes to the versions that are published in their folders.

    Attributes:
        counts: Reloads since the start, by result.
    """

    def __init__(
        self, indexes: ServedIndexes, verified: VerifiedVersions, engine: Engine, settings: ReloadSettings
    ) -> None:
        self.counts: Counter[ReloadResult] = Counter()
        self._indexes = indexes
        self._verified = verified
        self._engine = engine
        self._settings = settings
        self._folders = {index.name: index.searcher.folder.path for index in indexes}
        self._last: dict[str, Reload] = {}
        self._seen: dict[str, _Stamp] = {}
        self._stopped = threading.Event()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._watchers: list[asyncio.Task[None]] = []

    def folder(self, name: str) -> Path:
        """Where the versions of an index are published."""
        return self._folders[name]

    def last(self, name: str) -> Reload | None:
        """The last reload of an index that found something new or was asked for; None before the first."""
        return self._last.get(name)

    def start(self) -> None:
        """Begins to watch the folders."""
        self._stopped.clear()
        self._turns.clear()
        if self._settings.interval > 0:
            self._watchers = [asyncio.create_task(self._watch(name)) for name in self._folders]

    async def stop(self) -> None:
        """Ends the watching; a version that is being read is given up after the part at hand."""
        self._stopped.set()
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._watchers = []

    async def reload(self, name: str, *, again: bool = False) -> Reload:
        """Switches an index to the version that is published, if that is another one and fit for service.

        Reloads of one index take turns.

        Args:
            name: Of the index.
            again: Open the version and read all of it even if it is in service already.
        """
        async with self._turns[name]:
            return self._noted(name, await self._reload(name, again=again))

    async def follow(self, name: str) -> Reload | None:
        """The same, if the folder has changed since the last look; None if it has not."""
        async with self._turns[name]:
            stamp = await asyncio.to_thread(_stamp, self._folders[name])
            if name in self._seen and self._seen[name] == stamp:
                return None
            done = await self._reload(name, again=False)
            if done.result != "refused" or done.lasting:
                self._seen[name] = stamp
            return done if done.result == "unchanged" else self._noted(name, done)

    async def _watch(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._settings.interval)
            try:
                await self.follow(name)
            except Exception:  # noqa: BLE001 (the next look may go well)
                _LOG.exception("index %s: a look at its folder failed", name)

    async def _reload(self, name: str, *, again: bool) -> Reload:
        started = time.perf_counter()
        current = self._indexes.at(name)
        found = await asyncio.to_thread(self._published(current, again=again).open)
        if isinstance(found, NewVersion):
            found = await self._tried(found)
        result: ReloadResult = "unchanged"
        if isinstance(found, NewVersion):
            result = "unchanged" if found.served[2:] == current[2:] else "switched"
            self._verified.sound(found.served, found.parts)
            self._indexes.switch(found.served)
        elif isinstance(found, Unfit):
            result = "refused"
            if found.is_current:
                self._verified.damaged(current)
        now = self._indexes.at(name)
        reason, lasting = found[:2] if isinstance(found, Unfit) else (None, True)
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        return Reload(result, now.version, now.fingerprint, at, time.perf_counter() - started, reason, lasting)

    def _published(self, current: ServedIndex, *, again: bool) -> PublishedVersion:
        return PublishedVersion(
            path=self._folders[current.name],
            current=current,
            known=self._verified.parts(current),
            encoders=tuple(CurrentEncoders(self._indexes)),
            settings=self._settings.encoders,
            again=again or self._verified.of(current) is Soundness.DAMAGED,
            stopped=self._stopped,
        )

    async def _tried(self, new: NewVersion) -> NewVersion | Unfit:
        """A version after a canary search through it, which also warms its model; overload is waited out."""
        deadline = time.monotonic() + self._settings.canary_patience
        while True:
            try:
                await send_canary(self._engine, new.served)
            except CanaryError:
                return Unfit("does not answer a canary search")
            except Refusal as refusal:
                if refusal.status_code not in _OVERLOADED or time.monotonic() > deadline:
                    return Unfit("could not be tried out, for the service is overloaded", lasting=False)
                await asyncio.sleep(_CANARY_PAUSE)
            else:
                return new

    def _noted(self, name: str, done: Reload) -> Reload:
        self._last[name] = done
        self.counts[done.result] += 1
        if done.result == "switched":
            _LOG.info("index %s: version %s is in service, after %.3f s", name, done.version, done.seconds)
        if done.result == "refused":
            _LOG.error("index %s: its new version %s; version %s stays in service", name, done.reason, done.version)
        return done


def _stamp(folder: Path) -> _Stamp:
    try:
        state = (folder / MANIFEST).stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
