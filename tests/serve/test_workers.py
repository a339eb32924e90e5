"""Real processes: several workers, one killed, all ended under load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from tart_index import IndexFolder
from tart_serve.index_arguments import IndexArgument
from tart_serve.open_indexes import EncoderSettings
from tart_serve.plan import ServicePlan
from tests.serve.serving import port_of, start

BODY = json.dumps({"query": "merge two dicts", "top_k": 1, "include": []})
Starter = Callable[..., tuple[subprocess.Popen[str], int]]


@pytest.fixture
def serving(code_folder: Path) -> Iterator[Starter]:
    """Starts a service; ends it, whatever the test did."""
    started: list[subprocess.Popen[str]] = []

    def serve(*options: str) -> tuple[subprocess.Popen[str], int]:
        process = start(str(code_folder), "--port", "0", *options)
        started.append(process)
        return process, port_of(process)

    yield serve
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)


def ask(port: int, path: str = "/v1/search") -> tuple[int, str | None]:
    """Status of one request on a connection of its own, and whether the connection is to be closed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        if path == "/v1/search":
            connection.request("POST", path, BODY, {"Content-Type": "application/json"})
        else:
            connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("Connection")
    finally:
        connection.close()


def children(process: subprocess.Popen[str]) -> set[int]:
    """The workers; multiprocessing's resource tracker is a child too."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {int(pid) for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the workers' ids from /proc")
def test_a_killed_worker_is_replaced_and_the_service_answers_all_the_while(serving: Starter) -> None:
    process, port = serving("--workers", "2")
    first = children(process)
    assert len(first) == 2
    killed = min(first)
    os.kill(killed, signal.SIGKILL)
    while killed in children(process):
        assert ask(port)[0] == 200
    while len(children(process)) < 2:
        assert ask(port)[0] == 200
    for worker in children(process) & first:
        os.kill(worker, signal.SIGKILL)
    assert ask(port)[0] == 200  # By a new one only: a connection waits until a worker is loaded.
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (0, "")
    assert f"worker {killed} ended unasked (status -9); another is started" in errors


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_nothing_that_was_accepted_is_dropped_when_the_service_ends_under_load(
    serving: Starter, options: tuple[str, ...]
) -> None:
    process, port = serving(*options)
    begun = threading.Semaphore(0)

    def user(_: int) -> list[int]:
        statuses: list[int] = []
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            try:
                connection.request("POST", "/v1/search", BODY, {"Content-Type": "application/json"})
            except OSError:  # Nothing was accepted: there is no service any more.
                return statuses
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
            begun.release()
            if response.status != 200:
                assert response.getheader("Connection") == "close"
                return statuses

    with ThreadPoolExecutor(8) as users:
        asking = [users.submit(user, number) for number in range(8)]
        for _ in range(24):
            assert begun.acquire(timeout=60)
        process.send_signal(signal.SIGTERM)
        statuses = [one.result(timeout=120) for one in asking]
    assert sum(len(one) for one in statuses) >= 24
    assert {status for one in statuses for status in one} <= {200, 503}
    assert all(set(one[:-1]) <= {200} for one in statuses)
    assert process.wait(timeout=120) == 0
    with pytest.raises((OSError, HTTPException)):
        ask(port)


def test_a_service_that_cannot_start_ends_with_one_reason(code_folder: Path) -> None:
    process = start(str(code_folder), "--port", "0", "--workers", "2", "--model", "./nowhere")
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (2, "")
    assert "tart: a worker could not start; its own message stands above\n" in errors
    assert "./nowhere" in errors
    assert "Traceback" not in errors


def test_workers_share_the_processors(code_folder: Path) -> None:
    plan = ServicePlan((IndexArgument("code", code_folder),), EncoderSettings(threads=5))
    assert [plan.for_one_of(workers).encoder.threads for workers in (1, 2, 3, 9)] == [5, 2, 1, 1]
    assert (ServicePlan(plan.indexes).for_one_of(1).encoder.threads or 0) >= 1
    assert plan.check() == {"code": len(IndexFolder.open(code_folder))}
