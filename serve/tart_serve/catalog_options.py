"""Command line options about changing indexes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def catalog_options(command: F) -> F:
    """Adds --reload-interval and --allow-writes."""
    for option in (
        click.option(
            "--allow-writes",
            is_flag=True,
            help="Let requests add, replace and delete documents. [default: indexes are read only]",
        ),
        click.option(
            "--reload-interval",
            type=click.FloatRange(min=0),
            default=1.0,
            show_default=True,
            metavar="SECONDS",
            help="How often to look for newly published versions; 0 reloads only when asked to.",
        ),
    ):
        command = option(command)
    return command
