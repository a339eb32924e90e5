"""Options of `tart serve` about who may ask and what one client may take."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click

from tart_serve.security.settings import ClientLimits, SecuritySettings

KEYS_VARIABLE = "TART_API_KEYS"
_DEFAULTS = ClientLimits()


def security_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --keys, --allowed-host and --cors-origin; the command gets them as `security`."""

    @click.option(
        "--keys",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help=f"API keys that requests must have, made by `tart keys new`. Lines of keys in {KEYS_VARIABLE} count too.",
    )
    @click.option(
        "--allowed-host",
        metavar="NAME",
        multiple=True,
        help="A name that the service is reached by. [default: on loopback this machine's own, else any]",
    )
    @click.option(
        "--cors-origin",
        metavar="ORIGIN",
        multiple=True,
        help="A site whose pages may call the service from a browser, such as https://app.example.org.",
    )
    @wraps(command)
    def with_security(
        *arguments: Any,
        keys: Path | None,
        allowed_host: tuple[str, ...],
        cors_origin: tuple[str, ...],
        **others: Any,
    ) -> Any:
        security = SecuritySettings(keys, key_lines(os.environ), allowed_host or None, cors_origin)
        return command(*arguments, security=security, **others)

    return with_security


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --max-connections and --max-request-tokens; the command gets them as `limits`."""

    @click.option(
        "--max-connections",
        type=click.IntRange(min=1),
        default=_DEFAULTS.max_connections,
        show_default=True,
        help="More clients at a time are turned away.",
    )
    @click.option(
        "--max-request-tokens",
        type=click.IntRange(min=1),
        default=_DEFAULTS.max_request_tokens,
        show_default=True,
        help="More for the model to read in one request are refused.",
    )
    @wraps(command)
    def with_limits(*arguments: Any, max_connections: int, max_request_tokens: int, **others: Any) -> Any:
        limits = ClientLimits(max_connections=max_connections, max_request_tokens=max_request_tokens)
        return command(*arguments, limits=limits, **others)

    return with_limits


def key_lines(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The lines of keys in the environment, parted by commas or white space."""
    return tuple(line for line in re.split(r"[\s,]+", environment.get(KEYS_VARIABLE, "")) if line)
