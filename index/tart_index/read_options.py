"""Command line options for reading a corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from tart.readers.options import LAYOUTS, FieldMap, ReadOptions

F = TypeVar("F", bound=Callable[..., Any])


def read_options(command: F) -> F:
    """Adds --fields, --layout, --encoding and --on-error."""
    for option in (
        click.option(
            "--on-error", type=click.Choice(["fail", "skip"]), default="fail", show_default=True, help="At a bad row."
        ),
        click.option("--encoding", default="utf-8", show_default=True, help="Of text files."),
        click.option(
            "--layout", type=click.Choice(LAYOUTS), help="What the sources are. [default: told by their names]"
        ),
        click.option(
            "--fields", metavar="MAP", help="Which fields to read: id=_id,title=name,text=abstract+body,metadata=year."
        ),
    ):
        command = option(command)
    return command


def reading(settings: Mapping[str, Any]) -> ReadOptions:
    """The options of `read_options` as a reader takes them.

    Raises:
        SourceError: The field map is malformed or the encoding unknown.
    """
    fields = FieldMap.parse(settings["fields"]) if settings["fields"] else FieldMap()
    return ReadOptions(fields, settings["encoding"], settings["on_error"], settings["layout"])
