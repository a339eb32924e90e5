"""How vectors are stored: the options of `tart index build` and `tart index import`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tart.encoder import Encoder

Command = TypeVar("Command", bound=Callable[..., Any])


def vector_options(command: Command) -> Command:
    """Adds --vector-dtype and --dimension."""
    for option in (
        click.option(
            "--dimension",
            type=click.IntRange(min=1),
            help="Cut vectors to so many numbers (Matryoshka), of documents now and of queries later. "
            "[default: the model's own length]",
        ),
        click.option(
            "--vector-dtype",
            type=click.Choice(["float32", "float16"]),
            default="float32",
            show_default=True,
            help="Number type in which vectors are stored; float16 takes half the space.",
        ),
    ):
        command = option(command)
    return command


def warn_of_cut(encoder: Encoder) -> None:
    """Says on stderr when vectors are cut to a length that the model is not known to be trained for."""
    if encoder.trained_for_dim:
        return
    lengths = ", ".join(map(str, encoder.matryoshka)) or "no shorter one"
    click.echo(
        f"warning: {encoder.name!r} was trained for vectors of {encoder.uncut.dim} numbers and, as far as its folder "
        f"says, {lengths}; cut to {encoder.dim} it finds less: measure before you rely on it",
        err=True,
    )
