"""What the command names on its line: index folders, each with the name that requests call it by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click


class IndexArgument(NamedTuple):
    """An index folder and its name."""

    name: str
    folder: Path


def index_arguments(given: Sequence[str]) -> list[IndexArgument]:
    """Reads DIR and NAME=DIR.

    Raises:
        click.BadParameter: A name cannot stand in a URL, or stands twice.
    """
    arguments = [_argument(one) for one in given]
    by_name: dict[str, Path] = {}
    for name, folder in arguments:
        if name in by_name:
            raise click.BadParameter(
                f"{by_name[name]} and {folder} would both be named {name!r}; name one of them: other-name={folder}",
                param_hint="DIR",
            )
        by_name[name] = folder
    return arguments


def _argument(given: str) -> IndexArgument:
    name, equals, folder = given.partition("=")
    if not equals or Path(given).exists():
        return IndexArgument(_checked(Path(given).resolve().name, given), Path(given))
    return IndexArgument(_checked(name, given), Path(folder))


def _checked(name: str, given: str) -> str:
    if name in ("", ".", "..") or "/" in name or not name.isprintable():
        raise click.BadParameter(f"{given!r} gives the index no usable name; write NAME=DIR", param_hint="DIR")
    return name
