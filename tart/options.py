"""Command line options that several steps share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tart.models import DEFAULT_MODEL

F = TypeVar("F", bound=Callable[..., Any])


def hardware_options(command: F) -> F:
    """Adds --device, --dtype and --threads."""
    for option in (
        click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: all there are]"),
        click.option(
            "--dtype",
            type=click.Choice(["float32", "bfloat16", "float16"]),
            help="Number type of the model. [default: what this hardware does fastest]",
        ),
        click.option("--device", help="auto, cpu, cuda, cuda:N or mps. [default: auto, the fastest there is]"),
    ):
        command = option(command)
    return command


def model_option(help_text: str = "A shipped model, a local folder, or a hub id.") -> Callable[[F], F]:
    """Adds --model."""
    return click.option("--model", "-m", default=DEFAULT_MODEL, show_default=True, help=help_text)
