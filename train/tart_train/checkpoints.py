"""Checkpoints: written whole or not at all, kept in a number, bound to their recipe.

A checkpoint is written into a temporary folder, forced to the disk and renamed; what can be found is complete. A full
disk leaves the previous one untouched.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tart.errors import TartError
from tart_index.files import sync
from tart_train.recipe import differing_keys

RECIPE = "recipe.json"
_NAME = re.compile(r"checkpoint-(\d+)")
# These say how often and where to save or score, not what is learned: they may change between start and resume.
_FREE = ("checkpoints", "dev")


class CheckpointError(TartError):
    """A checkpoint that cannot be written, or that belongs to another run."""


def checkpoints(run: Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first."""
    found = {int(match[1]): path for path in run.glob("checkpoint-*") if (match := _NAME.fullmatch(path.name))}
    return [found[step] for step in sorted(found)]


def last_checkpoint(run: Path, recipe: Mapping[str, Any]) -> Path | None:
    """The checkpoint to go on from, or None where there is none.

    Raises:
        CheckpointError: It was made by another recipe.
    """
    found = checkpoints(run)
    if not found:
        return None
    try:
        theirs = json.loads((found[-1] / RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{found[-1]}: its recipe cannot be read ({error}); start over with --fresh") from error
    different = [key for key in differing_keys(theirs, recipe) if key.partition(".")[0] not in _FREE]
    if different:
        raise CheckpointError(
            f"{found[-1]} was made by another recipe, which differs in {', '.join(different)}; "
            "name another folder, or start over with --fresh"
        )
    return found[-1]


@contextmanager
def new_checkpoint(run: Path, step: int, recipe: Mapping[str, Any], keep: int) -> Iterator[Path]:
    """A folder to write a checkpoint into; it gets its name when the block ends well.

    Raises:
        CheckpointError: The disk is full, or the folder cannot be written.
    """
    temporary = run / f".checkpoint-{step}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        (temporary / RECIPE).write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
        publish(temporary, run / f"checkpoint-{step}")
    except (OSError, RuntimeError) as error:
        # torch reports a full disk as a RuntimeError of its zip writer.
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, RuntimeError) and not _is_write_error(error):
            raise
        raise CheckpointError(
            f"{run}: the checkpoint of step {step} cannot be written ({error}); the previous one is whole: make room "
            "and run the same command again"
        ) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in checkpoints(run)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def publish(temporary: Path, place: Path) -> None:
    """Forces a folder's files to the disk and renames it to its place; what was there goes."""
    for path in [*temporary.rglob("*"), temporary]:
        sync(path)
    if place.exists():
        old = place.with_name(f".{place.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
        temporary.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.rename(place)
    sync(place.parent)


def _is_write_error(error: RuntimeError) -> bool:
    return any(part in str(error) for part in ("PytorchStreamWriter", "file write failed", "iostream error"))
