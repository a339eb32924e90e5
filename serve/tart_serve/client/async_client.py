"""The client for asyncio; the same calls as the other one, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import httpx2

from tart_serve.client import calls
from tart_serve.client.call import Call
from tart_serve.client.connection import Connection
from tart_serve.client.document_batches import DocumentBatches, DocumentLike
from tart_serve.client.errors import ClientError
from tart_serve.client.index_replies import Changed
from tart_serve.client.method import described
from tart_serve.client.retries import NEVER, RetryPolicy, Tries

if TYPE_CHECKING:
    from typing_extensions import Self

P = ParamSpec("P")
T = TypeVar("T")


def _method(build: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """A method that sends what a function of `calls` builds."""

    async def send(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.answer(build(*args, **kwargs))

    return described(send, build)


class AsyncClient:
    """Talks to one service over connections that are kept; tasks of one event loop may share it.

    Args:
        base_url: Of the service; by default `TART_URL`, or this machine's port 8080.
        api_key: By default `TART_API_KEY`, or none.
        timeout: Seconds that a reply may take.
        retries: How often and how long a call is tried.
        transport: Another way to the service than the network.
        sleep: Waits for seconds.
        clock: Seconds, from any start.

    Raises:
        ClientError: The address or the key is no usable one.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: RetryPolicy | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = Connection(base_url, api_key, timeout)
        self._retries = retries or RetryPolicy()
        self._http = httpx2.AsyncClient(transport=transport)
        self._sleep = sleep
        self._clock = clock

    search = _method(calls.search)
    search_batch = _method(calls.search_batch)
    embed = _method(calls.embed)
    rerank = _method(calls.rerank)
    indexes = _method(calls.indexes)
    index = _method(calls.index)
    reload = _method(calls.reload)
    get_document = _method(calls.get_document)
    delete_document = _method(calls.delete_document)
    instructions = _method(calls.instructions)
    ready = _method(calls.ready)

    async def upsert_documents(
        self, documents: Iterable[DocumentLike] | AsyncIterable[DocumentLike], *, index: str
    ) -> Changed:
        """Adds or replaces documents of a stream, batch by batch; each batch is one version of the index.

        Args:
            documents: Or mappings with `id`, `text`, and perhaps `title` and `metadata`.
            index: That they go into.

        Raises:
            ClientError: A batch was not taken; those before it were, and may be sent again without harm.
        """
        done, batches = Changed(), DocumentBatches(index)
        async for document in _each(documents):
            for call in batches.add(document):
                done = done.then(await self.answer(call))
        for call in batches.rest():
            done = done.then(await self.answer(call))
        return done

    async def answer(self, call: Call[T]) -> T:
        """Sends a call, again where that is safe and may help.

        Raises:
            ClientError: It was not answered as wanted.
        """
        request = self.connection.request(call)
        tries = Tries(self._retries if call.patient else NEVER, call.changes_nothing, self._clock)
        while True:
            try:
                with self.connection.faults_told():
                    reply = await self._http.send(request)
                return call.answer(reply.status_code, reply.headers, reply.content)
            except ClientError as failure:
                await self._sleep(tries.wait_after(failure))

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _each(documents: Iterable[DocumentLike] | AsyncIterable[DocumentLike]) -> AsyncIterator[DocumentLike]:
    if isinstance(documents, AsyncIterable):
        async for document in documents:
            yield document
    else:
        for document in documents:
            yield document
