"""The command `tart`. Its subcommands are found by entry point, so that the core imports no step."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points

import click

from tart import __version__
from tart.errors import DependencyError, TartError

GROUP = "tart.commands"


class Steps(click.Group):
    """A group whose commands are the entry points of `GROUP`; one that cannot be loaded does not break the others."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self._found: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=GROUP)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, sorted."""
        return sorted({*self._found, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loads a command when it is asked for."""
        if cmd_name not in self._found:
            return super().get_command(ctx, cmd_name)
        try:
            command = self._found[cmd_name].load()
        except ImportError as error:
            return _broken(cmd_name, error)
        return command if isinstance(command, click.Command) else None


def _broken(name: str, error: ImportError) -> click.Command:
    """A command that says why it cannot run."""
    reason = str(error)

    @click.command(name, help=f"Cannot be loaded: {reason}", context_settings={"ignore_unknown_options": True})
    @click.argument("ignored", nargs=-1)
    def broken(ignored: tuple[str, ...]) -> None:
        raise DependencyError(f"the command {name} cannot be loaded ({reason}); install tart-retrieval anew")

    return broken


@click.group(cls=Steps, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tart")
def tart() -> None:
    """Instruction-aware retrieval: say what you want found, and get that.

    \b
    tart demo                                  search the Python on this machine
    tart index build docs.jsonl --out my-index
    tart search my-index "merge two dicts" -i "Find the Python function that implements this"
    tart serve my-index
    """


def main() -> None:
    """Runs the command; an error that the user can mend is one line and exit status 2."""
    try:
        tart(standalone_mode=True)
    except TartError as error:
        click.echo(f"tart: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


if __name__ == "__main__":
    main()
