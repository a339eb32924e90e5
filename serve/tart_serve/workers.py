"""Several processes behind one listening socket: whichever ends unasked is replaced, all end together.

A worker takes connections only when its service is loaded, and the socket belongs to the supervisor: while a worker is
replaced, the others answer; where there is no other, connections wait for the new one.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from types import FrameType

from tart.errors import TartError
from tart_serve.plan import ServicePlan

_LOG = logging.getLogger("tart_serve")
_SPAWN = multiprocessing.get_context("spawn")
# A worker's exit status where the service cannot be built: another would fare no better.
_CANNOT_START = 3
# A worker that ends sooner than this after its start may be followed by many: the next one waits a little longer.
_SHORT_LIFE_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


class Worker:
    """One process that serves.

    Args:
        plan: Of its service.
        listener: Shared by all workers.
    """

    def __init__(self, plan: ServicePlan, listener: socket.socket) -> None:
        self.news, sender = _SPAWN.Pipe(duplex=False)
        self.process = _SPAWN.Process(target=_serve, args=(plan, listener, sender), name="tart-worker")
        self.started = time.monotonic()
        self.is_up = False
        self.process.start()
        sender.close()

    @property
    def events(self) -> list[Connection | int]:
        """What becomes ready when the worker is up, and when it ends."""
        return [self.process.sentinel] if self.is_up else [self.process.sentinel, self.news]

    def hear(self) -> None:
        """Takes the news that it is up."""
        if not self.is_up and self.news.poll():
            try:
                self.is_up = self.news.recv() == "up"
            except EOFError:
                return

    def close(self) -> None:
        """Forgets a process that has ended."""
        self.process.join()
        self.process.close()
        self.news.close()


class Supervisor:
    """Keeps a number of workers running.

    Args:
        plan: Of each worker's service.
        listener: Where they accept connections.
        count: Of workers.
        on_up: Is called once, when all are up.
    """

    def __init__(self, plan: ServicePlan, listener: socket.socket, count: int, on_up: Callable[[], None]) -> None:
        self._plan = plan
        self._listener = listener
        self._on_up: Callable[[], None] | None = on_up
        self._count = count
        self._workers: list[Worker] = []
        self._pause = _FIRST_PAUSE_SECONDS
        self._not_before = 0.0
        self._signals: list[int] = []

    def run(self) -> None:
        """Serves until SIGINT or SIGTERM, and returns when all workers have answered what they had accepted.

        Raises:
            TartError: The service cannot be built.
        """
        with _waking(self._signals) as wake:
            try:
                while not self._signals:
                    self._fill()
                    self._watch(wake)
            finally:
                self._end()

    def _fill(self) -> None:
        """Starts the workers that are missing, unless the last ones ended too soon."""
        if time.monotonic() >= self._not_before:
            while len(self._workers) < self._count and not self._signals:
                self._workers.append(Worker(self._plan, self._listener))

    def _watch(self, wake: socket.socket) -> None:
        """Waits until something happens to a worker, or a signal comes."""
        pause = None if len(self._workers) == self._count else max(0.0, self._not_before - time.monotonic())
        wait([wake, *(event for worker in self._workers for event in worker.events)], pause)
        for worker in list(self._workers):
            worker.hear()
            if not worker.process.is_alive() and not self._signals:
                self._bury(worker)
        if self._on_up is not None and sum(worker.is_up for worker in self._workers) == self._count:
            self._on_up()
            self._on_up = None

    def _bury(self, worker: Worker) -> None:
        """Takes note of a worker that ended unasked.

        Raises:
            TartError: It could not start, and none ever could.
        """
        status, process = worker.process.exitcode, worker.process.pid
        self._workers.remove(worker)
        if status == _CANNOT_START and self._on_up is not None:
            worker.close()
            raise TartError("a worker could not start; its own message stands above")
        lived = time.monotonic() - worker.started
        soon = lived < _SHORT_LIFE_SECONDS and not worker.is_up
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS) if soon else _FIRST_PAUSE_SECONDS
        self._not_before = time.monotonic() + (self._pause if soon else 0.0)
        _LOG.warning("worker %s ended unasked (status %s); another is started", process, status)
        worker.close()

    def _end(self) -> None:
        """Asks all workers to end, and waits for them."""
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
        for worker in self._workers:
            worker.close()


def run_workers(plan: ServicePlan, listener: socket.socket, count: int, on_up: Callable[[], None]) -> None:
    """Serves in `count` processes until SIGINT or SIGTERM.

    Raises:
        TartError: The service cannot be built.
    """
    Supervisor(plan.for_one_of(count), listener, count, on_up).run()


@contextmanager
def _waking(signals: list[int]) -> Iterator[socket.socket]:
    """A socket that becomes readable when SIGINT or SIGTERM comes; the signals are noted, and do nothing else."""

    def note(signum: int, frame: FrameType | None) -> None:
        signals.append(signum)

    reader, writer = socket.socketpair()
    for one in (reader, writer):
        one.setblocking(False)
    woken = signal.set_wakeup_fd(writer.fileno())
    before = [(signum, signal.signal(signum, note)) for signum in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield reader
    finally:
        for signum, handler in before:
            signal.signal(signum, handler)
        signal.set_wakeup_fd(woken)
        reader.close()
        writer.close()


def _serve(plan: ServicePlan, listener: socket.socket, news: Connection) -> None:
    """What a worker's process does."""
    import click

    from tart_serve.server import run_server

    listener.setblocking(False)
    try:
        app = plan()
    except TartError as error:
        click.echo(f"tart: {error}", err=True)
        sys.exit(_CANNOT_START)
    run_server(app, listener, plan.settings.engine.timeout, lambda: news.send("up"))
