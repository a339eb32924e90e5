"""Public names that are imported when they are first used, so that heavy libraries do not load with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` (PEP 562).

    Args:
        package: The module's ``__name__``.
        homes: Public name -> the module that defines it.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 (what PEP 562 calls it)
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return __getattr__
