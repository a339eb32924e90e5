"""What clients see when there is too much to do, when time is up, and when the service ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from tart_index import Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.engine_settings import EngineSettings
from tart_serve.service import Service
from tests.serve.held_model import held, waiting

SINGLE = ("/v1/search", {"query": "merge"})
BATCH = ("/v1/search", {"query": ["merge", "sort"]})
EMBEDDINGS = ("/v1/embeddings", {"input": "merge", "model": "all-MiniLM-L6-v2"})


@asynccontextmanager
async def service_of(searcher: Searcher, **values: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, Service]]:
    app = create_app({"code": searcher}, ServiceSettings(engine=EngineSettings(**values)))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        service: Service = app.state.service
        yield client, service
        await service.engine.close()


@pytest.mark.parametrize(("path", "body"), [SINGLE, BATCH, EMBEDDINGS])
def test_a_full_queue_refuses_with_429_and_says_when_to_come_again(
    searcher: Searcher, path: str, body: dict[str, Any]
) -> None:
    async def ask() -> tuple[httpx2.Response, httpx2.Response]:
        async with service_of(searcher, max_requests=2) as (client, service), held(service.engine) as release:
            accepted = asyncio.create_task(client.post(path, json=body))
            await waiting(service.engine, 2)
            refused = await client.post(path, json=body)
            release.set()
            return await accepted, refused

    accepted, refused = asyncio.run(ask())
    assert (accepted.status_code, refused.status_code) == (200, 429)
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["X-Request-ID"]
    if path == EMBEDDINGS[0]:
        error = refused.json()["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    else:
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert (refused.json()["status"], refused.json()["title"]) == (429, "Too Many Requests")


@pytest.mark.parametrize(("path", "body"), [SINGLE, EMBEDDINGS])
def test_too_many_tokens_are_refused_too(searcher: Searcher, path: str, body: dict[str, Any]) -> None:
    async def ask() -> tuple[int, int]:
        async with service_of(searcher, max_tokens=12) as (client, service), held(service.engine) as release:
            accepted = asyncio.create_task(client.post(path, json=body))
            await waiting(service.engine, 2)
            other = await client.post(
                path, json={name: value if name == "model" else "x" * 40 for name, value in body.items()}
            )
            release.set()
            return (await accepted).status_code, other.status_code

    assert asyncio.run(ask()) == (200, 429)


@pytest.mark.parametrize(("path", "body"), [SINGLE, BATCH, EMBEDDINGS])
@pytest.mark.parametrize(("timeout", "header"), [(0.01, {}), (60.0, {"X-Request-Timeout": "0.01"})])
def test_a_deadline_that_passes_is_a_504(
    searcher: Searcher, path: str, body: dict[str, Any], timeout: float, header: dict[str, str]
) -> None:
    async def ask() -> httpx2.Response:
        async with service_of(searcher, timeout=timeout) as (client, service), held(service.engine):
            return await client.post(path, json=body, headers=header)

    late = asyncio.run(ask())
    assert late.status_code == 504
    told = late.json()["error"]["message"] if "error" in late.json() else late.json()["detail"]
    assert told.endswith("s; try again later, ask for less, or allow more time")


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan", "", "1,5"])
def test_a_deadline_that_is_none_is_refused(searcher: Searcher, given: str) -> None:
    async def ask() -> httpx2.Response:
        async with service_of(searcher) as (client, _):
            return await client.post(SINGLE[0], json=SINGLE[1], headers={"X-Request-Timeout": given})

    refused = asyncio.run(ask())
    assert refused.status_code == 400
    assert refused.json()["detail"] == f"the header X-Request-Timeout is {given!r}; wanted seconds, more than 0"


def test_a_caller_may_ask_for_less_time_but_not_for_more(searcher: Searcher) -> None:
    async def ask() -> list[int]:
        async with service_of(searcher, timeout=0.01) as (client, service), held(service.engine):
            more = await client.post(SINGLE[0], json=SINGLE[1], headers={"X-Request-Timeout": "1e9"})
        async with service_of(searcher) as (client, _):
            enough = await client.post(SINGLE[0], json=SINGLE[1], headers={"X-Request-Timeout": "inf"})
        return [more.status_code, enough.status_code]

    assert asyncio.run(ask()) == [504, 200]


def test_an_ending_service_answers_whom_it_let_in_and_refuses_who_comes_then(searcher: Searcher) -> None:
    async def ask() -> tuple[httpx2.Response, list[httpx2.Response]]:
        async with service_of(searcher) as (client, service):
            async with held(service.engine):
                accepted = asyncio.create_task(client.post(SINGLE[0], json=SINGLE[1]))
                await waiting(service.engine, 2)
                service.door.close()
                late = [
                    await client.post(SINGLE[0], json=SINGLE[1]),
                    await client.post(EMBEDDINGS[0], json=EMBEDDINGS[1]),
                    await client.get("/readyz"),
                    await client.get("/healthz"),
                ]
                assert service.door.inside == 1
            answered = await accepted
            assert service.door.inside == 0
        return answered, late

    answered, late = asyncio.run(ask())
    assert answered.status_code == 200
    assert answered.json()["object"] == "search.results"
    assert [one.status_code for one in late] == [503, 503, 503, 200]
    assert {one.headers["Connection"] for one in [answered, *late]} == {"close"}
    assert late[1].json()["error"]["type"] == "server_error"


def test_a_body_that_does_not_come_in_time_is_a_408(searcher: Searcher) -> None:
    app = create_app({"code": searcher}, ServiceSettings(engine=EngineSettings(timeout=0.01)))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/search",
        "raw_path": b"/v1/search",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"100")],
    }
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408


def test_a_client_that_leaves_is_noticed_while_it_waits(searcher: Searcher) -> None:
    """Through the whole stack: the request ends without a search, and nothing is logged as an error."""
    app = create_app({"code": searcher})
    service: Service = app.state.service
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": b'{"query": "merge"}', "more_body": False}]
    sent: list[dict[str, Any]] = []
    left = False

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        while not left:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask() -> None:
        nonlocal left
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/search",
            "raw_path": b"/v1/search",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }
        async with held(service.engine):
            request = asyncio.ensure_future(_called(app, scope, receive, send))
            await waiting(service.engine, 2)
            left = True
        await request
        await service.engine.close()

    asyncio.run(ask())
    assert sent[0]["status"] == 499


async def _called(app: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    await app(*arguments)
