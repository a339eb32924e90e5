"""A load generator that costs little: asyncio on bare sockets, request bytes made before the clock starts.

Closed loop (`--users N`): each user sends its next request when its last one was answered. Open loop (`--rate R`):
requests are due at a fixed rate whatever the service does, and a latency counts from when its request was due, so that
a service which stalls cannot hide it. It runs in a process of its own; other scripts call `run_load`.

    python bench/serve/load.py --url http://127.0.0.1:8080 --requests requests.jsonl --users 8 --seconds 5
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

LOST = 0
UNREACHED = -1


class Request(NamedTuple):
    """What to send: a body for POST, as JSON or as it stands; none for GET."""

    path: str
    body: dict[str, Any] | str | None = None
    key: str | None = None

    def wire(self, host: str) -> bytes:
        """The request's bytes."""
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        content = b"" if self.body is None else text.encode()
        key = f"Authorization: Bearer {self.key}\r\n" if self.key else ""
        head = f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1\r\nHost: {host}\r\n{key}"
        if content:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        return head.encode() + b"\r\n" + content


@dataclass
class Load:
    """What came back.

    Attributes:
        seconds: Measured, the warm-up not counted.
        latencies_ms: By status; 0 where a request was sent and the connection ended without a reply, -1 where there was
            no connection to send it on.
        no_retry_after: Replies with status 429 or 503 that do not say when to come again.
        sent: Requests that were sent while measuring.
        not_offered: Requests of the open loop that found every connection busy.
        went_round: Whether the requests were used up and sent again from the first.
        cpu_share: Of one core, that this generator took.
    """

    seconds: float = 0.0
    latencies_ms: dict[int, list[float]] = field(default_factory=dict)
    no_retry_after: int = 0
    sent: int = 0
    not_offered: int = 0
    went_round: bool = False
    cpu_share: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests answered with 200 a second."""
        return len(self.latencies_ms.get(200, ())) / self.seconds

    @property
    def statuses(self) -> dict[int, int]:
        """How many replies of each status."""
        return {status: len(found) for status, found in sorted(self.latencies_ms.items())}

    def percentile(self, percent: float, status: int = 200) -> float:
        """Of the latencies in milliseconds, by nearest rank; NaN where there are none."""
        found = sorted(self.latencies_ms.get(status, ()))
        return found[max(0, -int(-percent * len(found) // 100) - 1)] if found else float("nan")


class Connection(asyncio.Protocol):
    """One keep-alive connection, with one request under way at most."""

    def __init__(self) -> None:
        self.reply: asyncio.Future[tuple[int, bool]] | None = None
        self.open = False
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._wanted = -1
        self._status = LOST
        self._says_when = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Notes that it is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.open = True

    def send(self, wire: bytes) -> asyncio.Future[tuple[int, bool]]:
        """Sends a request; the reply is its status and whether it says when to come again."""
        assert self._transport is not None
        self.reply = asyncio.get_running_loop().create_future()
        self._buffer, self._wanted = b"", -1
        self._transport.write(wire)
        return self.reply

    def data_received(self, data: bytes) -> None:
        """Reads on, to the end of a reply."""
        self._buffer = self._buffer + data if self._buffer else data
        if self._wanted < 0 and not self._read_head():
            return
        ended = self._buffer.endswith(b"\r\n0\r\n\r\n") if self._wanted == 0 else len(self._buffer) >= self._wanted
        if ended:
            self._finish(self._status)

    def connection_lost(self, error: Exception | None) -> None:
        """A request under way has no reply then."""
        self.open = False
        self._finish(LOST)

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()

    def _read_head(self) -> bool:
        """Notes status and length once the head is there; a length of 0 stands for chunks."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        self._status = int(head[9:12])
        self._says_when = b"\r\nretry-after:" in head
        place = head.find(b"\r\ncontent-length:")
        self._wanted = 0 if place < 0 else end + 4 + int(head[place + 17 :].split(b"\r\n", 1)[0])
        return True

    def _finish(self, status: int) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_result((status, self._says_when and status != LOST))
        self.reply = None


class Generator:
    """Sends requests and notes what comes back."""

    def __init__(self, url: str, requests: Sequence[Request], warm_up: float, seconds: float) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._wires = [request.wire(parts.netloc) for request in requests]
        self._next = 0
        self._load = Load(seconds=seconds)
        self._begins = time.perf_counter() + warm_up
        self._ends = self._begins + seconds
        self._cpu = 0.0

    async def closed(self, users: int) -> Load:
        """Each user waits for its answer before it asks again."""
        await asyncio.gather(self._watch_cpu(), *(self._user() for _ in range(users)))
        return self._load

    async def open(self, rate: float, connections: int) -> Load:
        """Requests are due at a fixed rate, on as many connections as are free."""
        idle: deque[Connection] = deque([Connection() for _ in range(connections)])
        under_way: set[asyncio.Task[None]] = set()
        watch = asyncio.create_task(self._watch_cpu())
        due, step = time.perf_counter(), 1 / rate
        while due < self._ends:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            while due <= time.perf_counter():
                if idle:
                    task = asyncio.create_task(self._lend(idle.popleft(), idle, due))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                elif self._begins <= due < self._ends:
                    self._load.not_offered += 1
                due += step
        await asyncio.gather(watch, *under_way)
        for connection in idle:
            connection.close()
        return self._load

    async def _lend(self, connection: Connection, idle: deque[Connection], due: float) -> None:
        idle.append(await self._ask(connection, due))

    async def _user(self) -> None:
        connection = Connection()
        while (now := time.perf_counter()) < self._ends:
            connection = await self._ask(connection, now)
            if not connection.open:
                # A service that is gone would else be asked a million times.
                await asyncio.sleep(0.01)
        connection.close()

    async def _ask(self, connection: Connection, due: float) -> Connection:
        """Sends the next request and notes the answer; on a new connection where the last one has ended."""
        status, says_when = UNREACHED, False
        try:
            if not connection.open:
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(Connection, self._host, self._port)
            status, says_when = await connection.send(self._wire())
        except OSError:
            pass
        if self._begins <= due < self._ends:
            milliseconds = (time.perf_counter() - due) * 1_000
            self._load.latencies_ms.setdefault(status, []).append(milliseconds)
            self._load.sent += 1
            self._load.no_retry_after += status in {429, 503} and not says_when
        return connection

    def _wire(self) -> bytes:
        if self._next == len(self._wires):
            self._next, self._load.went_round = 0, True
        self._next += 1
        return self._wires[self._next - 1]

    async def _watch_cpu(self) -> None:
        await asyncio.sleep(max(0.0, self._begins - time.perf_counter()))
        before = time.process_time()
        await asyncio.sleep(max(0.0, self._ends - time.perf_counter()))
        self._load.cpu_share = (time.process_time() - before) / self._load.seconds


def start_load(
    url: str,
    requests: Sequence[Request],
    *,
    users: int = 1,
    seconds: float = 5.0,
    warm_up: float = 1.0,
    rate: float | None = None,
) -> subprocess.Popen[str]:
    """Starts a generator in a process of its own; `finish_load` waits for what it found."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False, encoding="utf-8") as file:
        file.writelines(json.dumps(request) + "\n" for request in requests)
    command = [sys.executable, __file__, "--url", url, "--requests", file.name, "--remove", "--json"]
    command += ["--users", str(users), "--seconds", str(seconds), "--warm-up", str(warm_up)]
    command += [] if rate is None else ["--rate", str(rate)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish_load(process: subprocess.Popen[str]) -> Load:
    """Waits for a generator.

    Raises:
        RuntimeError: It failed.
    """
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    found = json.loads(output)
    found["latencies_ms"] = {int(status): values for status, values in found["latencies_ms"].items()}
    return Load(**found)


def run_load(url: str, requests: Sequence[Request], **settings: Any) -> Load:
    """Runs a generator to its end; settings as of `start_load`."""
    return finish_load(start_load(url, requests, **settings))


def merged(loads: Sequence[Load]) -> Load:
    """Several runs as one."""
    whole = Load(seconds=sum(load.seconds for load in loads))
    for load in loads:
        for status, values in load.latencies_ms.items():
            whole.latencies_ms.setdefault(status, []).extend(values)
        whole.no_retry_after += load.no_retry_after
        whole.sent += load.sent
        whole.not_offered += load.not_offered
        whole.went_round |= load.went_round
    whole.cpu_share = sum(load.cpu_share for load in loads) / len(loads)
    return whole


def summary(load: Load) -> str:
    """One line."""
    named = {LOST: "lost", UNREACHED: "unreached"}
    statuses = {named.get(status, str(status)): count for status, count in load.statuses.items()}
    return (
        f"{load.per_second:.1f} answered/s, p50 {load.percentile(50):.2f} ms, p99 {load.percentile(99):.2f} ms, "
        f"replies {statuses}, generator {load.cpu_share:.0%} of a core"
    )


def main() -> None:
    """Generates load as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=Path, required=True, help='JSON lines: ["/path", {body}, key]')
    parser.add_argument("--users", type=int, default=8, help="closed loop: users; open loop: connections")
    parser.add_argument("--rate", type=float, help="open loop: requests a second")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="every latency, for a program")
    parser.add_argument("--remove", action="store_true", help="remove the file of requests once it is read")
    arguments = parser.parse_args()
    requests = [Request(*json.loads(line)) for line in arguments.requests.read_text(encoding="utf-8").splitlines()]
    if arguments.remove:
        arguments.requests.unlink()
    generator = Generator(arguments.url, requests, arguments.warm_up, arguments.seconds)
    # A collection would stop the clock of every user at once; nothing here makes cycles that matter.
    gc.disable()
    run = generator.closed(arguments.users)
    if arguments.rate is not None:
        run.close()
        run = generator.open(arguments.rate, arguments.users)
    load = asyncio.run(run)
    print(json.dumps(asdict(load)) if arguments.json else summary(load))


if __name__ == "__main__":
    main()
