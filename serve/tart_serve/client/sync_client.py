"""The client for ordinary code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

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


def _method(build: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    """A method that sends what a function of `calls` builds."""

    def send(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.answer(build(*args, **kwargs))

    return described(send, build)


class Client:
    """Talks to one service over connections that are kept; threads may share it.

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
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = Connection(base_url, api_key, timeout)
        self._retries = retries or RetryPolicy()
        self._http = httpx2.Client(transport=transport)
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

    def upsert_documents(self, documents: Iterable[DocumentLike], *, index: str) -> Changed:
        """Adds or replaces documents of a stream, batch by batch; each batch is one version of the index.

        Args:
            documents: Or mappings with `id`, `text`, and perhaps `title` and `metadata`.
            index: That they go into.

        Raises:
            ClientError: A batch was not taken; those before it were, and may be sent again without harm.
        """
        done = Changed()
        for call in DocumentBatches(index).calls(documents):
            done = done.then(self.answer(call))
        return done

    def answer(self, call: Call[T]) -> T:
        """Sends a call, again where that is safe and may help.

        Raises:
            ClientError: It was not answered as wanted.
        """
        request = self.connection.request(call)
        tries = Tries(self._retries if call.patient else NEVER, call.changes_nothing, self._clock)
        while True:
            try:
                with self.connection.faults_told():
                    reply = self._http.send(request)
                return call.answer(reply.status_code, reply.headers, reply.content)
            except ClientError as failure:
                self._sleep(tries.wait_after(failure))

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
