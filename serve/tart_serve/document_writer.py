"""Documents written and deleted while the service runs; a caller reads its own writes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import IndexBusyError, IndexFolderError, IndexModelError
from tart_index import Corpus
from tart_index.changes import ChangeResult, add_documents, delete_documents
from tart_index.merging import merge_small_parts, small_runs
from tart_serve.engine import Engine
from tart_serve.queued_engine import QueuedEngine
from tart_serve.refusal import Refusal
from tart_serve.reloading import Reloader
from tart_serve.served_indexes import ServedIndex, ServedIndexes

T = TypeVar("T")
_LOG = logging.getLogger("tart_serve")
_LOCK_PAUSE = 0.05
# A change of an index folder with an encoder of its model. Blocks.
_Work: TypeAlias = Callable[[Path, Encoder], ChangeResult]


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """Whether and how documents may be written.

    Attributes:
        allowed: Without this, indexes change only by what is published into their folders.
        lock_patience: Seconds to wait for another process that writes the same index.
    """

    allowed: bool = False
    lock_patience: float = 5.0


class Written(NamedTuple):
    """A change, and a version in service that has it."""

    served: ServedIndex
    change: ChangeResult


class DocumentWriter:
    """Changes indexes through the index engine; writes to one index take turns."""

    def __init__(self, indexes: ServedIndexes, engine: Engine, reloader: Reloader, settings: WriteSettings) -> None:
        self._indexes = indexes
        self._engine = engine
        self._reloader = reloader
        self._settings = settings
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._running: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Forgets the turns of an event loop that has ended."""
        self._turns.clear()

    def refuse_unless_allowed(self) -> None:
        """Refuses writes where the operator has not allowed them.

        Raises:
            Refusal: They are not (403).
        """
        if not self._settings.allowed:
            raise Refusal(
                403,
                "this service takes no writes; the operator can allow them (tart serve --allow-writes), or publish a "
                "new version with tart index upsert",
            )

    async def upsert(self, name: str, documents: Sequence[Document]) -> Written:
        """Adds documents, and replaces those of the same ids.

        Raises:
            Refusal: Writes are not allowed (403), another process writes the index, or its model is not here (409), or
                the service is overloaded.
        """
        corpus = Corpus.from_documents("the request", lambda: documents)
        loop = asyncio.get_running_loop()

        def work(folder: Path, encoder: Encoder) -> ChangeResult:
            queued = encoder.through(lambda own: QueuedEngine(own, self._engine, loop))
            return add_documents(folder, corpus, queued, "replace")

        return await self._to_the_end(self._write(name, work))

    async def delete(self, name: str, document_id: str) -> Written:
        """Takes a document out.

        Raises:
            Refusal: There is none of this id (404), writes are not allowed (403), or another process writes the index
                (409).
        """
        written = await self._to_the_end(self._write(name, lambda folder, _: delete_documents(folder, [document_id])))
        if written.change.not_found:
            raise Refusal(404, f"there is no document {document_id[:100]!r} in index {name!r}")
        return written

    async def _to_the_end(self, write: Coroutine[Any, Any, T]) -> T:
        """A write that has begun ends even if its caller goes away, so that what was published is also switched to."""
        task = asyncio.create_task(write)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(_note_outcome)
        return await asyncio.shield(task)

    async def _write(self, name: str, work: _Work) -> Written:
        self.refuse_unless_allowed()
        self._indexes.at(name)
        async with self._turns[name]:
            with _refusing(name):
                try:
                    change = await self._changed(name, work)
                except IndexModelError:
                    # The index was built anew with another model since the last look at its folder.
                    await self._reloader.reload(name)
                    change = await self._changed(name, work)
            return Written(await self._switched(name, change), change)

    async def _changed(self, name: str, work: _Work) -> ChangeResult:
        """The change, once no other process writes the index."""
        deadline = time.monotonic() + self._settings.lock_patience
        encoder = self._indexes.at(name).searcher.encoder
        while True:
            try:
                return await asyncio.to_thread(_change_and_merge, self._reloader.folder(name), encoder, work)
            except IndexBusyError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_LOCK_PAUSE)

    async def _switched(self, name: str, change: ChangeResult) -> ServedIndex:
        """A version in service that has the change.

        Raises:
            Refusal: The version that was published cannot be served yet (503).
        """
        done = await self._reloader.reload(name)
        if done.result == "refused":
            raise Refusal(
                503,
                f"the change is published as version {change.manifest.version}, but that version {done.reason}; "
                f"version {done.version} stays in service",
                headers={"Retry-After": "1"},
            )
        return self._indexes.at(name)


def _change_and_merge(folder: Path, encoder: Encoder, work: _Work) -> ChangeResult:
    change = work(folder, encoder)
    if small_runs(change.manifest):
        try:
            return change._replace(manifest=merge_small_parts(folder).manifest)
        except IndexFolderError as error:
            # The change itself is published; the next one merges.
            _LOG.warning("small parts are not merged yet: %s", error)
    return change


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Refuses what the index engine refuses; the log has its words, which name paths.

    Raises:
        Refusal: Another process writes the index, or its model is not served (409), or its folder cannot be written
            (503).
    """
    try:
        yield
    except IndexBusyError as error:
        detail = f"another process writes index {name!r} just now; try again"
        raise Refusal(409, detail, headers={"Retry-After": "1"}) from error
    except IndexModelError as error:
        _LOG.error("index %s: a write was refused: %s", name, error)
        detail = "was made by another model than the one that is served; the operator should reload it or start anew"
        raise Refusal(409, f"the newest version of index {name!r} {detail}") from error
    except IndexFolderError as error:
        _LOG.error("index %s: a write failed: %s", name, error)
        detail = f"index {name!r} cannot be written; nothing was changed, and the operator's log has the reason"
        raise Refusal(503, detail) from error


def _note_outcome(task: asyncio.Task[Any]) -> None:
    """Takes the error of a write that no caller waits for any more, which asyncio would else complain about."""
    if not task.cancelled():
        task.exception()
