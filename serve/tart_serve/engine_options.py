"""The options of `tart serve` about batches, the queue and deadlines."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from tart_serve.engine_settings import EngineSettings

_DEFAULTS = EngineSettings()


def engine_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options, and gives the command their values as `engine`."""

    @click.option(
        "--batch-tokens",
        type=click.IntRange(min=1),
        metavar="N",
        help="Tokens that share a pass of the model. [default: what this hardware does fastest]",
    )
    @click.option(
        "--cached-vectors",
        default=_DEFAULTS.cached_vectors,
        show_default=True,
        type=click.IntRange(min=0),
        metavar="N",
        help="Query vectors that are remembered; 0 for none.",
    )
    @click.option(
        "--max-requests",
        default=_DEFAULTS.max_requests,
        show_default=True,
        type=click.IntRange(min=1),
        metavar="N",
        help="Requests that may wait for the model, or be in it; one more is refused (429).",
    )
    @click.option(
        "--max-tokens",
        default=_DEFAULTS.max_tokens,
        show_default=True,
        type=click.IntRange(min=1),
        metavar="N",
        help="The same in tokens, about.",
    )
    @click.option(
        "--timeout",
        default=_DEFAULTS.timeout,
        show_default=True,
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="What a request may take; then it is answered with 504.",
    )
    @wraps(command)
    def with_settings(
        *,
        batch_tokens: int | None,
        cached_vectors: int,
        max_requests: int,
        max_tokens: int,
        timeout: float,
        **others: Any,
    ) -> None:
        command(engine=EngineSettings(batch_tokens, cached_vectors, max_requests, max_tokens, timeout), **others)

    return with_settings
