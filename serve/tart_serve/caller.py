"""Who waits for an answer: until when, and whether still."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from starlette.types import Message, Receive

from tart_serve.refusal import Refusal


class Caller:
    """The client behind a request.

    Args:
        deadline: On the event loop's clock; later no answer is of use.
        receive: The request's messages from the server.
    """

    def __init__(self, deadline: float, receive: Receive) -> None:
        self.deadline = deadline
        self._receive = receive
        self._sent_all = False
        self._gone = False

    async def receive(self) -> Message:
        """The next message, passed on to the application.

        Raises:
            Refusal: The body does not come before the deadline (408).
        """
        message = _at_once(self._receive())
        if message is None:
            message = await self._wait_for_message()
        self._note(message)
        return message

    async def _wait_for_message(self) -> Message:
        if self._sent_all:
            return await self._receive()
        try:
            return await asyncio.wait_for(self._receive(), self.deadline - asyncio.get_running_loop().time())
        except asyncio.TimeoutError as error:
            raise Refusal(408, "the body did not arrive in time; send it faster, or in smaller requests") from error

    def is_gone(self) -> bool:
        """Whether the connection is closed, told without waiting; to be called in the event loop.

        The server is only asked after the last of the body, when nothing else can come that somebody would miss.
        """
        if self._sent_all and not self._gone:
            message = _at_once(self._receive())
            if message is not None:
                self._note(message)
        return self._gone

    def _note(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._gone = True
        elif not message.get("more_body", False):
            self._sent_all = True


_CALLER: ContextVar[Caller | None] = ContextVar("tart_serve_caller", default=None)


def current_caller() -> Caller | None:
    """The caller that this task works for; None for the service's own work, which is neither refused nor hurried."""
    return _CALLER.get()


@contextmanager
def working_for(caller: Caller) -> Iterator[None]:
    """What is awaited inside is work for a caller."""
    before = _CALLER.set(caller)
    try:
        yield
    finally:
        _CALLER.reset(before)


def _at_once(waiting: Any) -> Message | None:
    """What a coroutine returns without waiting; None where it would wait. A task for this would cost far more."""
    assert isinstance(waiting, Coroutine)
    try:
        waiting.send(None)
    except StopIteration as ended:
        message: Message = ended.value
        return message
    waiting.close()
    return None
