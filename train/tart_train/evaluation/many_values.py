"""Options that take several values in a row, and a group that takes a model's name for its first command."""

from __future__ import annotations

from collections.abc import Sequence

import click


class ManyValuesCommand(click.Command):
    """A command whose repeatable options may be given once with many values: ``--sets a b c``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeats such an option's name before each of its values; arguments come first."""
        names = {
            name
            for option in self.params
            if isinstance(option, click.Option) and option.multiple
            for name in option.opts
        }
        return super().parse_args(ctx, list(_repeated(args, names)))


class RunByDefault(click.Group):
    """``tart eval MODEL ...`` means ``tart eval run MODEL ...``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Takes what is no command's name for the first argument of ``run``."""
        if args and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)


def _repeated(args: Sequence[str], names: set[str]) -> list[str]:
    found: list[str] = []
    name, values = "", 0
    for arg in args:
        if arg.startswith("-") and len(arg) > 1:
            name, values = (arg, 0) if arg in names else ("", 0)
        elif name:
            values += 1
            if values > 1:
                found.append(name)
        found.append(arg)
    return found
