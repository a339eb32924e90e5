"""SIGTERM and kill -9 under load: nothing accepted is dropped, workers come back, readiness tells the truth."""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request as WebRequest
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from background import Background
from corpus import documents, queries
from load import LOST, UNREACHED, Load, Request, finish_load, start_load
from peer_systems import Corpus, tart_index
from processes import Server, tart_server, tree
from reporting import Spread, table, write

from tart.documents import Document

HERE = Path(__file__).parent
_BODY = b'{"query": "merge two dicts", "top_k": 1}'
_ABOUT = """\
`tart serve` over {documents:,} documents, {users} users in a closed loop, each on a connection that is kept. *Lost* is
a request that was sent and whose connection ended without a reply. *Unreached* could not be sent, for nobody listened
any more: a client knows that it may send it again."""


class Drained(NamedTuple):
    """One SIGTERM under load.

    Attributes:
        workers: Processes.
        load: What the users saw.
        status: Of the exit.
        seconds: From the signal to the exit.
    """

    workers: int
    load: Load
    status: int
    seconds: float


class Probe(NamedTuple):
    """Readiness, and a search right after, each on a connection of its own.

    Attributes:
        at: Seconds since the kill.
        ready: The status of `/readyz`; 0 for no reply.
        answered: The status of the search.
    """

    at: float
    ready: int
    answered: int


class Killed(NamedTuple):
    """Workers killed under load.

    Attributes:
        killed: How many of them.
        load: What the users saw.
        probes: Before and after.
        back: Seconds until as many processes ran as before.
        ready: Seconds until `/readyz` said so to ten probes in turn.
    """

    killed: int
    load: Load
    probes: list[Probe]
    back: float
    ready: float

    @property
    def lies(self) -> int:
        """Probes that were told "ready" and then not answered; the moment of the kill itself apart."""
        return sum(one.ready == 200 and one.answered != 200 for one in self.probes if not -1 < one.at < 0.5)


class Probes(Background):
    """Asks `/readyz` and then a search, over and over."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.found: list[tuple[float, int, int]] = []
        self._url = url

    def work(self, number: int) -> None:
        """Asks until the block ends."""
        while not self.ended.wait(0.1):
            at = time.monotonic()
            ready = status_of(WebRequest(f"{self._url}/readyz"))  # noqa: S310 (loopback)
            search = WebRequest(f"{self._url}/v1/search", _BODY, {"Content-Type": "application/json"})  # noqa: S310
            self.found.append((at, ready, status_of(search)))


def status_of(request: WebRequest) -> int:
    """The status of a reply; 0 where there is none."""
    try:
        with urlopen(request, timeout=60) as reply:  # noqa: S310
            reply.read()
            return int(reply.status)
    except HTTPError as error:
        return error.code
    except (URLError, OSError):
        return 0


def workers_of(server: Server) -> list[int]:
    """The processes that serve: the first one itself, or those that it keeps."""
    found = []
    for pid in tree(server.process.pid)[1:]:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"spawn_main" in command:
            found.append(pid)
    return found


def drain(index: Path, workers: int, asked: Sequence[Request], options: argparse.Namespace) -> Drained:
    """SIGTERM in the middle of a load."""
    with tart_server(index, "--workers", str(workers)) as server:
        load = start_load(server.url, asked, users=options.users, seconds=options.seconds, warm_up=0)
        time.sleep(options.seconds / 2)
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        status = server.process.wait(120)
        return Drained(workers, finish_load(load), status, time.monotonic() - started)


def kill(index: Path, killed: int, asked: Sequence[Request], options: argparse.Namespace) -> Killed:
    """Kill -9 of some of the workers in the middle of a load."""
    with tart_server(index, "--workers", str(options.workers)) as server, Probes(server.url) as probes:
        load = start_load(server.url, asked, users=options.users, seconds=options.restart, warm_up=0)
        time.sleep(options.seconds / 2)
        before = set(workers_of(server))
        struck = set(sorted(before)[:killed])
        at = time.monotonic()
        for pid in struck:
            os.kill(pid, signal.SIGKILL)
        back = None
        while back is None and time.monotonic() - at < options.restart:
            if len(set(workers_of(server)) - struck) == len(before):
                back = time.monotonic() - at
            time.sleep(0.02)
        result = finish_load(load)
    found = [Probe(when - at, ready, answered) for when, ready, answered in probes.found]
    return Killed(killed, result, found, back if back is not None else float("inf"), ready_again(found))


def ready_again(probes: Sequence[Probe]) -> float:
    """When ten probes in turn were ready, after the kill; infinite where they never were."""
    after = [probe for probe in probes if probe.at > 0]
    for start in range(len(after) - 9):
        if all(probe.ready == 200 for probe in after[start : start + 10]):
            return after[start].at
    return float("inf")


def report(options: argparse.Namespace, drained: Sequence[Drained], killed: Sequence[Killed]) -> None:
    """Writes drain.md and drain.json."""
    drains = [
        [
            f"{count} worker{'s' * (count > 1)}, {len(ones)} times",
            *(str(sum(one.load.statuses.get(status, 0) for one in ones)) for status in (200, 503, LOST, UNREACHED)),
            str(sum(n for one in ones for s, n in one.load.statuses.items() if s not in {200, 503, LOST, UNREACHED})),
            f"{Spread.of([one.seconds for one in ones]):.2f}",
            ", ".join(sorted({str(one.status) for one in ones})),
        ]
        for count, group in itertools.groupby(drained, key=lambda one: one.workers)
        for ones in [list(group)]
    ]
    header = ["SIGTERM", "200", "503", "lost", "unreached", "other", "seconds to the exit", "exit status"]
    kills = [
        [
            f"{one.killed} of {options.workers}",
            str(one.load.statuses.get(200, 0)),
            str(one.load.statuses.get(LOST, 0)),
            str(sum(n for s, n in one.load.statuses.items() if s not in {200, LOST})),
            f"{one.back:.2f}",
            f"{one.ready:.2f}",
            f"{one.lies} of {len(one.probes)}",
        ]
        for one in killed
    ]
    kill_header = [
        "workers killed",
        "200",
        "lost",
        "other",
        "s until a new process",
        "s until ready again",
        "false readiness",
    ]
    dropped = sum(one.load.statuses.get(LOST, 0) for one in drained)
    lies = sum(one.lies for one in killed)
    body = [
        _ABOUT.format(documents=options.documents, users=options.users),
        f"SIGTERM dropped {dropped} requests (wanted: 0).\n\n" + table(header, drains),
        f"A worker that is killed takes the requests in it along: at most {options.users} were in all of them. "
        f"`/readyz` said 200 before a search that was not answered {lies} times (wanted: 0).\n\n"
        + table(kill_header, kills),
    ]
    figures = {
        "drained": [
            {"workers": one.workers, "statuses": one.load.statuses, "exit": one.status, "seconds": one.seconds}
            for one in drained
        ],
        "killed": [
            {**one._asdict(), "load": one.load.statuses, "lies": one.lies, "probes": [list(p) for p in one.probes]}
            for one in killed
        ],
    }
    write(options.out, "The service ends, and its workers are killed, under load", "\n\n".join(body), figures, "drain")


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10, help="SIGTERMs, with one worker and with several")
    parser.add_argument("--seconds", type=float, default=4.0, help="of load around a SIGTERM, or before a kill")
    parser.add_argument("--restart", type=float, default=40.0, help="seconds of load around a kill")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tart-bench")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    found: list[Document] = documents(options.documents)
    index = tart_index(Corpus.write(options.cache, found), "tart-default")
    asked = [Request("/v1/search", {"query": query}) for query in itertools.islice(queries(found, "drain"), 20_000)]
    drained = [drain(index, count, asked, options) for count in (1, options.workers) for _ in range(options.rounds)]
    killed = [kill(index, count, asked, options) for count in range(1, options.workers + 1)]
    report(options, drained, killed)


if __name__ == "__main__":
    main()
