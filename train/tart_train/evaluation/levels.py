"""OPT-IML's levels of generalisation (Iyer et al. 2022, section 3): what of a set training has seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tart_train.examples import DataError

LEVELS = ("held-out category", "held-out task", "held-out instance")


def read_levels(file: Path) -> dict[str, str]:
    """Reads a JSON or YAML file that maps sets to levels.

    Raises:
        DataError: The file is missing, malformed, or names another level.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); wanted a JSON or YAML file") from error
    found = _parsed(file, text)
    if not isinstance(found, Mapping):
        raise DataError(f"{file}: found a {type(found).__name__}; wanted an object: set -> level")
    levels = {str(name): " ".join(str(level).replace("_", " ").split()) for name, level in found.items()}
    for name, level in levels.items():
        if level not in LEVELS:
            raise DataError(f"{file}: set {name!r} has the level {level!r}; wanted one of {', '.join(LEVELS)}")
    return levels


def _parsed(file: Path, text: str) -> object:
    if file.suffix == ".json":
        try:
            return json.loads(text)
        except ValueError as error:
            raise DataError(f"{file}: not JSON ({error}); wanted an object: set -> level") from error
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{file}: not YAML ({error}); wanted a mapping: set -> level") from error


def by_level(levels: Mapping[str, str], sets: Iterable[str]) -> dict[str, list[str]]:
    """Level -> those of the sets that are on it, in the order of `LEVELS`; levels without sets are left out.

    Raises:
        DataError: A set has no level.
    """
    names = list(sets)
    missing = [name for name in names if name not in levels]
    if missing:
        raise DataError(f"the levels file says nothing of {', '.join(missing)}; add them, or leave the sets out")
    return {level: kept for level in LEVELS if (kept := [name for name in names if levels[name] == level])}
