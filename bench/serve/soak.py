"""Mixed use for a quarter of an hour: searches, lists, filters, embeddings, bad input, slow clients, writes.

Memory and file handles must stay flat, and nothing may be answered otherwise than it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from background import Background
from corpus import INSTRUCTION, documents, queries
from load import Load, Request, finish_load, start_load
from peer_systems import Corpus, tart_index
from processes import Server, Usage, Watch, tart_server
from reporting import Spread, table, write

from tart.documents import Document
from tart.models import DEFAULT_MODEL
from tart_serve.client import Client, ClientError

HERE = Path(__file__).parent
_FILTER = {
    "type": "or",
    "filters": [{"type": "eq", "key": "kind", "value": "code"}, {"type": "gt", "key": "line", "value": 99}],
}
_BAD = [
    "{",
    '{"query": NaN}',
    "[" * 10_000,
    '{"query": ""}',
    '{"query": "a", "top_k": 1e400}',
    '{"query": "a", "top_k": -1}',
    '{"query": "a", "index": "there is none"}',
    '{"query": "a", "unknown": 1}',
    '{"query": "a", "filter": {"type": "eq"}}',
    '{"query": "' + "word " * 20_000 + '"}',
    "[1, 2]",
]
_ABOUT = """\
`tart serve` as it comes, over {documents:,} documents, for {minutes:g} minutes: {rate:g} good requests a second
(searches with and without instruction, filter and list, embeddings), {bad:g} bad ones, {slow} clients that send a byte
a second and never end, {writes}. {every:g} s between samples of the whole process tree."""


def good(found: Sequence[Document], count: int) -> list[Request]:
    """What must be answered with 200."""
    asked = queries(found, "soak")

    def kinds() -> Iterator[Request]:
        while True:
            yield Request("/v1/search", {"query": next(asked)})
            yield Request("/v1/search", {"query": next(asked), "instruction": INSTRUCTION, "top_k": 100})
            yield Request("/v1/search", {"query": next(asked), "filter": _FILTER, "include": ["title"]})
            yield Request("/v1/search", {"query": list(itertools.islice(asked, 8)), "top_k": 3})
            yield Request("/v1/embeddings", {"input": list(itertools.islice(asked, 4)), "model": DEFAULT_MODEL})
            yield Request("/healthz")

    return list(itertools.islice(kinds(), count))


class SlowClients(Background):
    """Connections that send a byte of a request every second; each is begun anew when the service ends it."""

    def __init__(self, url: str, count: int) -> None:
        super().__init__(count)
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self.ended_by_service = 0

    def work(self, number: int) -> None:
        """One connection after the other."""
        head = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += b"Content-Length: 100000\r\n\r\n"
        while not self.ended.is_set():
            with contextlib.suppress(OSError), socket.create_connection(self._address) as connection:
                for byte in itertools.chain(head, itertools.repeat(32)):
                    connection.sendall(bytes([byte]))
                    if self.ended.wait(1.0 if byte == 32 else 0.02):
                        return
            self.ended_by_service += 1
            self.ended.wait(1)


class Writer(Background):
    """Adds a document, changes it, deletes it, over and over; finds each of these changes."""

    def __init__(self, url: str, index: str, every: float) -> None:
        super().__init__()
        self._client = Client(url)
        self._index = index
        self._every = every
        self.writes = 0
        self.faults: list[str] = []

    def work(self, number: int) -> None:
        """One change after the other."""
        for change in itertools.count():
            word = f"zyxomma{change}"
            for document in (Document("soak", f"{word} one"), Document("soak", f"{word} two"), None):
                try:
                    self._change(document)
                except ClientError as error:
                    self.faults.append(str(error))
                if self.ended.wait(self._every):
                    return

    def _change(self, document: Document | None) -> None:
        self.writes += 1
        if document is None:
            self._client.delete_document("soak", index=self._index)
            return
        self._client.upsert_documents([document], index=self._index)
        hits = self._client.search(document.text, index=self._index, top_k=3).hits
        if document.text not in {hit.text for hit in hits}:
            self.faults.append(f"{document.text!r} was written and not found")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._client.close()


def soak(server: Server, found: Sequence[Document], index: str, options: argparse.Namespace) -> dict[str, object]:
    """All of it at once; what came of it."""
    seconds, warm_up = options.minutes * 60, min(60.0, options.minutes * 12)
    wanted = good(found, min(100_000, int((seconds + warm_up) * options.rate) + 1))
    bad = [Request("/v1/search", body) for body in _BAD]
    with contextlib.ExitStack() as parts:
        watch = parts.enter_context(Watch(server, options.every))
        slow = parts.enter_context(SlowClients(server.url, options.slow))
        writer = parts.enter_context(Writer(server.url, index, 2.0)) if options.writes else None
        loads = [
            start_load(server.url, asked, users=32, seconds=seconds, warm_up=warm_up, rate=rate)
            for asked, rate in ((wanted, options.rate), (bad, options.bad))
        ]
        started = time.monotonic()
        results = [finish_load(load) for load in loads]
        print(f"soaked for {time.monotonic() - started:.0f} s", file=sys.stderr)
    return {"good": results[0], "bad": results[1], "samples": watch.samples, "slow": slow, "writer": writer}


def growth(samples: Sequence[tuple[float, Usage]], field: str) -> tuple[Spread, Spread, float]:
    """The second fifth of the time, the last fifth, and the slope a hour from the second fifth on."""
    times = np.array([at for at, _ in samples])
    values = np.array([float(getattr(usage, field)) for _, usage in samples])
    fifth = max(1, len(values) // 5)
    slope = float(np.polyfit(times[fifth:], values[fifth:], 1)[0]) * 3_600 if len(values) > fifth + 2 else float("nan")
    return Spread.of(values[fifth : 2 * fifth].tolist()), Spread.of(values[-fifth:].tolist()), slope


def draw(samples: Sequence[tuple[float, Usage]], file: Path) -> None:
    """Memory and file handles over the time."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    minutes = [at / 60 for at, _ in samples]
    figure, (memory, handles) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5))
    for field, name in (("rss", "resident"), ("pss", "proportional")):
        memory.plot(minutes, [getattr(usage, field) for _, usage in samples], label=name)
    memory.set_ylabel("MiB")
    memory.set_ylim(bottom=0)
    memory.legend()
    for field, name in (("handles", "file handles"), ("threads", "threads")):
        handles.plot(minutes, [getattr(usage, field) for _, usage in samples], label=name)
    handles.set_xlabel("minutes")
    handles.set_ylim(bottom=0)
    handles.legend()
    figure.tight_layout()
    figure.savefig(file)


def allows_writes() -> bool:
    """Whether this service can be told to take documents."""
    command = [sys.executable, "-m", "tart", "serve", "--help"]
    return "--allow-writes" in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def report(options: argparse.Namespace, found: dict[str, object]) -> None:
    """Writes soak.md, soak.json and soak.svg."""
    right, wrong, slow, writer = found["good"], found["bad"], found["slow"], found["writer"]
    assert isinstance(right, Load)
    assert isinstance(wrong, Load)
    assert isinstance(slow, SlowClients)
    assert writer is None or isinstance(writer, Writer)
    samples: list[tuple[float, Usage]] = found["samples"]  # type: ignore[assignment]
    draw(samples, options.out / "soak.svg")
    grown = {field: growth(samples, field) for field in Usage._fields}
    names = {"rss": "resident memory, MiB", "pss": "proportional memory, MiB", "handles": "file handles"}
    rows = [
        [names.get(field, field), f"{early:,.0f}", f"{late:,.0f}", f"{slope:+,.1f}"]
        for field, (early, late, slope) in grown.items()
    ]
    unwanted = {status: count for status, count in right.statuses.items() if status != 200}
    accepted = {status: count for status, count in wrong.statuses.items() if not 400 <= status < 500}
    faults = Counter(writer.faults) if writer else Counter[str]()
    written = "no writes, this service takes none"
    if writer:
        written = f"{writer.writes:,} writes, each looked for right after"
    body = [
        _ABOUT.format(
            **{name: getattr(options, name) for name in ("documents", "minutes", "rate", "bad", "slow", "every")},
            writes=written,
        ),
        (
            f"Good requests: {right.sent:,}, not answered with 200: {unwanted or 'none'}; p50 "
            f"{right.percentile(50):.1f} ms, p99 {right.percentile(99):.1f} ms. Bad requests: {wrong.sent:,}, not "
            f"refused with 4xx: {accepted or 'none'}. The service ended {slow.ended_by_service:,} slow connections. "
            f"Faults of writes: {dict(faults) or 'none'}."
        ),
        table(["", "second fifth of the time", "last fifth", "growth an hour"], rows),
        "![memory and file handles over the time](soak.svg)",
    ]
    figures = {
        "statuses": {"good": right.statuses, "bad": wrong.statuses},
        "write_faults": dict(faults),
        "resident_mib": [[round(at), round(usage.rss, 1)] for at, usage in samples[:: max(1, len(samples) // 50)]],
        "growth": {
            field: {"early": early._asdict(), "late": late._asdict(), "an_hour": slope}
            for field, (early, late, slope) in grown.items()
        },
    }
    write(options.out, "A quarter of an hour of mixed use", "\n\n".join(body), figures, "soak")


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=40.0, help="good requests a second")
    parser.add_argument("--bad", type=float, default=10.0, help="bad requests a second")
    parser.add_argument("--slow", type=int, default=8, help="clients that never end a request")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between samples")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tart-bench")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.writes = allows_writes()
    found = documents(options.documents)
    index = tart_index(Corpus.write(options.cache, found), "tart-soak")
    with tart_server(index, *(["--allow-writes"] if options.writes else [])) as server:
        report(options, soak(server, found, index.name, options))


if __name__ == "__main__":
    main()
