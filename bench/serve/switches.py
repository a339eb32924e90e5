"""A thousand switches of an index under load: does a request fail, or see two versions at once, or a handle stay open?

Every version holds the same texts, and each document's metadata tells its version. Another process than the service
publishes; each reply to a search names a version, and all its hits must be of that one.

    python bench/serve/switches.py --switches 20 --documents 50 --users 2
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from processes import Server, Usage, tart_server

from tart import Document, Encoder
from tart_index import BuildOptions, Corpus, build_index
from tart_index.changes import add_documents

sys.path.insert(0, str(Path(__file__).parents[1]))
from background import Background
from reporting import Spread, table, write

WORDS = "merge sort read compress parse open hash flatten count remove reverse join download send resize".split()  # noqa: SIM905
_TOP_K = 10
_WARM_UP = 5


class Reply(NamedTuple):
    """What came back: a status (0 for none), its JSON, and the seconds that it took."""

    status: int
    body: dict[str, Any]
    seconds: float


class Connection:
    """One keep-alive connection to the service."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Reply:
        """Posts a body, or gets what there is."""
        started = time.perf_counter()
        content = None if body is None else json.dumps(body)
        try:
            headers = {"Content-Type": "application/json"}
            self._connection.request("GET" if body is None else "POST", path, content, headers)
            response = self._connection.getresponse()
            status, reply = response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            status, reply = 0, {"detail": repr(error)}
        return Reply(status, reply, time.perf_counter() - started)


@dataclass
class Seen:
    """What searches saw."""

    latencies_ms: list[float] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)

    def note(self, reply: Reply) -> None:
        """Takes a reply in, and checks it."""
        if reply.status != 200:
            self.failed.append(f"{reply.status}: {reply.body.get('detail')}")
            return
        self.latencies_ms.append(reply.seconds * 1_000)
        version = reply.body["index"]["version"]
        self.versions[version] += 1
        found = {str(hit["metadata"]["version"]) for hit in reply.body["data"]}
        if found != {version} or len(reply.body["data"]) != _TOP_K:
            self.mixed.append(f"version {version} with hits of {sorted(found)}")

    def percentile(self, percent: float) -> float:
        """Of the latencies, by nearest rank."""
        ordered = sorted(self.latencies_ms)
        return ordered[max(0, -int(-percent * len(ordered) // 100) - 1)]


class Users(Background):
    """Searches without a pause, one after the other for each user, between start and stop."""

    def __init__(self, url: str, count: int) -> None:
        super().__init__(count)
        self.seen = Seen()
        self._url = url
        self._lock = threading.Lock()

    def work(self, number: int) -> None:
        """One user's searches."""
        connection, chooser = Connection(self._url), random.Random(number)  # noqa: S311 (queries, not secrets)
        while not self.ended.is_set():
            query = " ".join(chooser.choices(WORDS, k=5))
            reply = connection.ask("/v1/search", {"query": query, "top_k": _TOP_K})
            with self._lock:
                self.seen.note(reply)


def documents(version: int, count: int) -> list[Document]:
    """The same texts in every version, and metadata that tells it: so nothing is embedded again."""
    chooser = random.Random(0)  # noqa: S311
    return [
        Document(f"d{n}", f"{n} {' '.join(chooser.choices(WORDS, k=12))}", "", {"version": version})
        for n in range(count)
    ]


def switch(folder: Path, encoder: Encoder, version: int, count: int, connection: Connection) -> float | None:
    """Publishes a version and has it switched to; the seconds that the switch took, None if it did not happen."""
    corpus = Corpus.from_documents("bench", lambda: documents(version, count))
    published = add_documents(folder, corpus, encoder, "replace").manifest
    reply = connection.ask("/v1/indexes/live:reload", {})
    in_service = reply.body.get("index", {}).get("version")
    return reply.seconds if str(published.version) == str(version) == in_service else None


class Outcome(NamedTuple):
    """A run: searches without and with switches, the switches' seconds, and what the process held around them."""

    calm: Seen
    busy: Seen
    switches: list[float | None]
    before: Usage
    after: Usage


def run(server: Server, folder: Path, encoder: Encoder, arguments: argparse.Namespace) -> Outcome:
    """Searches for a while, then searches while versions are switched."""
    connection = Connection(server.url)
    versions = iter(range(2, arguments.switches + _WARM_UP + 2))
    for _ in range(_WARM_UP):
        switch(folder, encoder, next(versions), arguments.documents, connection)
    with Users(server.url, arguments.users) as calm:
        time.sleep(arguments.seconds)
    before = server.usage()
    # The other one was idle for so long that the service has closed it.
    connection = Connection(server.url)
    with Users(server.url, arguments.users) as busy:
        switches = [switch(folder, encoder, version, arguments.documents, connection) for version in versions]
    return Outcome(calm.seen, busy.seen, switches, before, server.usage())


def body_of(outcome: Outcome, arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The report's text and figures."""
    calm, busy, switches, before, after = outcome
    done = [seconds * 1_000 for seconds in switches if seconds is not None]
    took = Spread.of(done) if done else Spread(0.0, 0.0, 0.0)
    searches = [
        [name, f"{len(seen.latencies_ms):,}", f"{len(seen.failed)}", f"{len(seen.mixed)}", f"{len(seen.versions):,}"]
        + [f"{seen.percentile(percent):.1f}" for percent in (50, 99, 100)]
        for name, seen in (("without switches", calm), ("with switches", busy))
    ]
    held = [
        [name, f"{getattr(before, key):.0f}", f"{getattr(after, key):.0f}"]
        for name, key in (("open handles", "handles"), ("threads", "threads"), ("resident MiB", "rss"))
    ]
    text = (
        f"{arguments.documents:,} documents, {arguments.users} users without a pause. A process beside the service "
        f"published {len(switches):,} versions; each was verified, tried out with a canary and switched to.\n\n"
        f"**{len(done):,} of {len(switches):,} switches done, {len(busy.failed)} requests failed, {len(busy.mixed)} "
        "replies of mixed versions.**\n\n"
        f"A switch took {took:.0f} ms under that load.\n\n"
        + table(["searches", "answered", "failed", "mixed", "versions", "p50 ms", "p99 ms", "longest ms"], searches)
        + "\n\n"
        + table(["the service's process", "before", "after"], held)
    )
    figures = {
        "switches": len(switches),
        "done": len(done),
        "switch_ms": took._asdict(),
        "searches": len(busy.latencies_ms),
        "failed": busy.failed[:20],
        "mixed": busy.mixed[:20],
        "versions_seen": len(busy.versions),
        "p50_ms": {"calm": calm.percentile(50), "busy": busy.percentile(50)},
        "p99_ms": {"calm": calm.percentile(99), "busy": busy.percentile(99)},
        "usage": {"before": before._asdict(), "after": after._asdict()},
    }
    return text, figures


def main(given: Sequence[str] | None = None) -> None:
    """Runs it and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--switches", type=int, default=1_000)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0, help="of searches without switches")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where the report is written")
    arguments = parser.parse_args(given)
    encoder = Encoder.load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "live"
        corpus = Corpus.from_documents("bench", lambda: documents(1, arguments.documents))
        build_index(corpus, folder, encoder, BuildOptions())
        with tart_server(folder) as server:
            outcome = run(server, folder, encoder, arguments)
    text, figures = body_of(outcome, arguments)
    write(arguments.out, "Switching versions under load", text, figures, "switches")
    sound = not outcome.busy.failed and not outcome.busy.mixed and None not in outcome.switches
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    main()
