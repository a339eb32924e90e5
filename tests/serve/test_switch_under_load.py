from __future__ import annotations

import asyncio
import gc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from tart import Encoder
from tart_index import IndexFolder
from tart_serve import ServiceSettings
from tart_serve.reloading import ReloadSettings
from tests.index.counting import counting_encoder
from tests.serve.changing import publish, running, service_over, telling

SEARCH = "/v1/search"
RELOAD = "/v1/indexes/live:reload"
WATCHING = ServiceSettings(reload=ReloadSettings(interval=0.005))
BODIES: list[dict[str, Any]] = [
    {"query": "sort a list", "top_k": 10},
    {"query": ["sort a list", "read bytes"], "top_k": 10},
    {"query": "merge", "top_k": 10, "filter": {"type": "gte", "key": "version", "value": 0}},
]


@pytest.fixture(scope="module")
def counting() -> Encoder:
    return counting_encoder()


@pytest.fixture
def folder(tmp_path: Path, counting: Encoder) -> Path:
    publish(tmp_path / "i", telling(1), counting)
    return tmp_path / "i"


def results(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of one query or of several."""
    found: list[dict[str, Any]] = reply["results"] if reply["object"] == "search.batch" else [reply]
    return found


async def searched(client: AsyncClient, done: asyncio.Event, number: int) -> list[dict[str, Any]]:
    """Results of searches, one after the other, until it is done."""
    found: list[dict[str, Any]] = []
    while not done.is_set():
        response = await client.post(SEARCH, json=BODIES[number % len(BODIES)])
        assert response.status_code == 200, response.text
        found += results(response.json())
    return found


async def switched(client: AsyncClient, folder: Path, counting: Encoder, versions: int) -> dict[str, str]:
    """Publishes versions, asks for a reload of each, and returns their fingerprints."""
    fingerprints = {"1": IndexFolder.open(folder).manifest.fingerprint}
    for version in range(2, versions + 1):
        manifest = await asyncio.to_thread(publish, folder, telling(version), counting)
        fingerprints[str(version)] = manifest.fingerprint
        # The watcher may have been there first.
        assert (await client.post(RELOAD)).json()["index"]["version"] == str(version)
    return fingerprints


async def load(app: FastAPI, folder: Path, counting: Encoder, versions: int) -> tuple[list[Any], dict[str, str]]:
    async with running(app) as client:
        done = asyncio.Event()
        searchers = [asyncio.create_task(searched(client, done, number)) for number in range(6)]
        try:
            fingerprints = await switched(client, folder, counting, versions)
        finally:
            done.set()
        return [result for found in await asyncio.gather(*searchers) for result in found], fingerprints


def test_every_reply_under_load_is_the_true_content_of_one_version(folder: Path, counting: Encoder) -> None:
    found, fingerprints = asyncio.run(load(service_over(folder, counting, WATCHING), folder, counting, 16))
    seen: Counter[str] = Counter()
    for result in found:
        version = result["index"]["version"]
        seen[version] += 1
        assert result["index"]["fingerprint"] == fingerprints[version]
        truth = {document.id: (document.text, dict(document.metadata)) for document in telling(int(version))}
        assert {hit["id"]: (hit["text"], hit["metadata"]) for hit in result["data"]} == truth
    assert len(seen) > 8


def test_reloads_at_the_same_time_switch_once(folder: Path, counting: Encoder) -> None:
    async def run() -> list[dict[str, Any]]:
        async with running(service_over(folder, counting)) as client:
            publish(folder, telling(2), counting)
            replies = await asyncio.gather(*(client.post(RELOAD) for _ in range(6)))
            return [reply.json() for reply in replies]

    replies = asyncio.run(run())
    assert Counter(reply["result"] for reply in replies) == {"switched": 1, "unchanged": 5}
    assert {reply["index"]["version"] for reply in replies} == {"2"}


def open_handles(folder: Path) -> tuple[int, int]:
    """File descriptors of this process, and memory maps of files under a folder."""
    maps = Path("/proc/self/maps").read_text()
    return len(list(Path("/proc/self/fd").iterdir())), maps.count(f"{folder}/")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="counts handles where Linux lists them")
@pytest.mark.parametrize(("broken", "turns"), [(False, 210), (True, 60)])
def test_versions_that_nobody_holds_are_closed(tmp_path: Path, counting: Encoder, broken: bool, turns: int) -> None:
    for number in (1, 2):
        publish(tmp_path / str(number), telling(number), counting)
    if broken:
        next((tmp_path / "2" / "parts").glob("*/vectors.npy")).write_bytes(b"broken")
    link = tmp_path / "link"
    link.symlink_to("1")

    async def turn(client: AsyncClient, number: int) -> str:
        """Points the folder at the other version and asks for it."""
        (tmp_path / "new").symlink_to(str(number % 2 + 1))
        (tmp_path / "new").replace(link)
        response, _ = await asyncio.gather(client.post(RELOAD), client.post(SEARCH, json=BODIES[1]))
        return str(response.json().get("result", response.status_code))

    async def run() -> tuple[Counter[str], list[tuple[int, int]]]:
        async with running(service_over(link, counting)) as client:
            counts: Counter[str] = Counter([await turn(client, number) for number in range(1, 11)])
            before = open_handles(tmp_path)
            # No version may wait for the garbage collector: that could take long, and hold many of them open.
            gc.disable()
            try:
                counts += Counter([await turn(client, number) for number in range(11, turns + 1)])
                return counts, [before, open_handles(tmp_path)]
            finally:
                gc.enable()

    counts, (before, after) = asyncio.run(run())
    assert counts == ({"409": turns // 2, "unchanged": turns // 2} if broken else {"switched": turns})
    # A version has two parts of five maps and three handles each. The one in service is open, and perhaps those of the
    # last batches in the model's threads; never one for each switch.
    versions = 4
    assert 0 < after[1] <= versions * 10
    assert after[0] <= before[0] + versions * 6


def test_a_request_in_flight_keeps_its_version_open_and_no_longer(
    folder: Path, counting: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = service_over(folder, counting)
    engine = app.state.service.engine
    real = engine.search

    async def run() -> tuple[dict[str, Any], dict[str, Any]]:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def held(index: Any, requests: Any, rerank: Any = None) -> Any:
            if index.version == "1" and not entered.is_set():
                entered.set()
                await leave.wait()
            return await real(index, requests, rerank)

        monkeypatch.setattr(engine, "search", held)
        async with running(app) as client:
            old = asyncio.create_task(client.post(SEARCH, json=BODIES[0]))
            await entered.wait()
            # Four versions later the files of the first are gone from the folder.
            for version in range(2, 6):
                publish(folder, telling(version), counting)
                await client.post(RELOAD)
            new = await client.post(SEARCH, json=BODIES[0])
            leave.set()
            return (await old).json(), new.json()

    old, new = asyncio.run(run())
    for reply, version in ((old, 1), (new, 5)):
        assert reply["index"]["version"] == str(version)
        assert {hit["id"] for hit in reply["data"]} == {document.id for document in telling(version)}
