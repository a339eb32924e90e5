"""Writes docs/commands.md from the commands' own --help; --check only compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from tart.__main__ import tart

FILE = Path(__file__).parent / "commands.md"


def sections(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """The help of a command and of all commands below it."""
    settings = {"terminal_width": 110, "help_option_names": ["-h", "--help"]}
    with click.Context(command, info_name=name, parent=parent, **settings) as context:  # type: ignore[arg-type]
        heading = "#" * (2 + context.command_path.count(" "))
        yield f"{heading} `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                found = command.get_command(context, child)
                if found is not None:
                    yield from sections(found, child, context)


def main() -> int:
    """Writes or compares; 1 when the file is out of date."""
    text = "# Commands\n\nWritten by `make docs` from `--help`.\n\n" + "\n".join(sections(tart, "tart"))
    if "--check" not in sys.argv:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{FILE.name} is out of date: run make docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
