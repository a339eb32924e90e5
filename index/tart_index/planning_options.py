"""Command line options about plans; how a command shows its plan and, at the end, what it really took."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tart_index.planning.outcome import Watch
    from tart_index.planning.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])
_NO_PLAN = "standard input is read only once, so there is no plan; a file gives one"


def plan_options(command: F) -> F:
    """Adds --dry-run and --despite-shortage."""
    for option in (
        click.option("--despite-shortage", is_flag=True, help="Start although memory or disk seem to be too small."),
        click.option("--dry-run", is_flag=True, help="Print the plan (time, memory, disk) and end."),
    ):
        command = option(command)
    return command


class Approval:
    """Shows the plan of a command, refuses one that cannot be carried out, and tells at the end what was taken.

    Args:
        settings: The command's options, those of `plan_options` among them.
        as_json: Whether the command answers in JSON, which then holds the plan.
    """

    def __init__(self, settings: Mapping[str, Any], *, as_json: bool) -> None:
        self._despite = bool(settings["despite_shortage"])
        self._as_json = as_json
        self._watch: Watch | None = None

    def approve(self, plan: Plan) -> None:
        """Shows a plan on standard error and begins to look at what the run takes.

        Raises:
            IndexFolderError: Memory or disk is too small.
        """
        from tart_index.planning.outcome import Watch

        if not self._as_json:
            click.echo("\n".join(plan.lines()), err=True)
        if not self._despite:
            plan.refuse_shortage()
        self._watch = Watch(plan)

    def show_only(self, plan: Plan | None) -> None:
        """Answers a dry run with the plan; it fails where the run would be refused.

        Args:
            plan: None where none can be made.

        Raises:
            IndexFolderError: Memory or disk is too small.
        """
        if self._as_json:
            click.echo(json.dumps({"plan": None if plan is None else plan.as_json()}))
        else:
            click.echo("\n".join(plan.lines()) if plan is not None else _NO_PLAN)
        if plan is not None and not self._despite:
            plan.refuse_shortage()

    def as_json(self) -> dict[str, Any]:
        """The plan and the outcome; nothing where there was no plan."""
        if self._watch is None:
            return {}
        outcome = self._watch.outcome()
        return {"plan": outcome.plan.as_json(), "taken": outcome.as_json()}

    def tell(self) -> None:
        """Shows what was taken on standard error."""
        if self._watch is not None and not self._as_json:
            click.echo(self._watch.outcome().line(), err=True)
