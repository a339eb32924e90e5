"""A client of the service, for ordinary code and for asyncio; it loads neither torch nor the service."""

from tart_serve.client.async_client import AsyncClient
from tart_serve.client.calls import SearchOptions
from tart_serve.client.errors import (
    ClientError,
    ConflictError,
    ConnectionLostError,
    DeadlineError,
    FieldError,
    InvalidRequestError,
    KeyRefusedError,
    NotFoundError,
    OverloadedError,
    Problem,
    RefusedError,
    TimedOutError,
    UnavailableError,
    UnexpectedReplyError,
    UnreachableError,
)
from tart_serve.client.replies import (
    BatchReply,
    EmbedReply,
    Hit,
    IndexVersion,
    QueryFault,
    Ready,
    SearchReply,
    TimingMs,
)
from tart_serve.client.retries import RetryPolicy
from tart_serve.client.sync_client import Client

__all__ = [
    "AsyncClient",
    "BatchReply",
    "Client",
    "ClientError",
    "ConflictError",
    "ConnectionLostError",
    "DeadlineError",
    "EmbedReply",
    "FieldError",
    "Hit",
    "IndexVersion",
    "InvalidRequestError",
    "KeyRefusedError",
    "NotFoundError",
    "OverloadedError",
    "Problem",
    "QueryFault",
    "Ready",
    "RefusedError",
    "RetryPolicy",
    "SearchOptions",
    "SearchReply",
    "TimedOutError",
    "TimingMs",
    "UnavailableError",
    "UnexpectedReplyError",
    "UnreachableError",
]
