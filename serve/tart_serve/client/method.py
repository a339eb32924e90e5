"""How a function that builds a call becomes a method that sends it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

C = TypeVar("C", bound=Callable[..., Any])


def described(method: C, build: Callable[..., Any]) -> C:
    """Gives a method the name, the words and the parameters of the function that it sends for, `self` before them."""
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(build).parameters.values()
    method.__name__ = build.__name__
    method.__doc__ = build.__doc__
    method.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
    return method
