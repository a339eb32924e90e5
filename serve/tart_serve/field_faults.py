"""Pydantic's findings about a body, as faults that point into that body."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tart_serve.refusal import FieldFault
from tart_serve.schemas.filters import FILTER_FAULT

_MOST = 20
_SHOWN = 80


def field_faults(findings: Sequence[Mapping[str, Any]], body: object) -> list[FieldFault]:
    """The first findings, one fault a place.

    Args:
        findings: From `ValidationError.errors()`.
        body: The JSON value that they are about.
    """
    details: dict[str, list[str]] = {}
    for finding in findings[:_MOST]:
        details.setdefault(_pointer(finding, body), []).append(_detail(finding))
    return [FieldFault(pointer, "; or ".join(several)) for pointer, several in details.items()]


def summary(faults: Sequence[FieldFault]) -> str:
    """The faults in one line, for clients that show only that."""
    places = [f"{fault.pointer.removeprefix('#/') or 'body'}: {fault.detail}" for fault in faults[:3]]
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    return "; ".join(places) + more


def _pointer(finding: Mapping[str, Any], body: object) -> str:
    """RFC 6901, section 6."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in _steps(finding, body))
    return "#" + "".join("/" + quote(step[:_SHOWN], safe="!$&'()*+,;=:@~", errors="replace") for step in steps)


def _steps(finding: Mapping[str, Any], body: object) -> Iterator[str | int]:
    """The steps of a location that exist in the body, and a missing field; names of union branches do not."""
    value = body
    location = finding["loc"][1:]
    for number, step in enumerate(location):
        inside_list = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if inside_list or (isinstance(value, dict) and step in value):
            value = value[step]  # type: ignore[index]
            yield step
        elif finding["type"] == FILTER_FAULT or (finding["type"] == "missing" and number == len(location) - 1):
            yield step


def _detail(finding: Mapping[str, Any]) -> str:
    kind = finding["type"]
    if kind == "missing":
        return "this field is missing; it has no default"
    if kind == "extra_forbidden":
        return f"there is no field {_shown(finding['loc'][-1])}; the fields there are stand at /docs"
    if kind == FILTER_FAULT:
        return str(finding["msg"])
    message = str(finding["msg"]).removeprefix("Value error, ")
    found = finding.get("input")
    if found is None or isinstance(found, (str, int, float)):
        return f"{message}; found {_shown(found)}"
    return message


def _shown(value: object) -> str:
    """A value as ASCII JSON, cut: nothing that a client sent can then make the reply unreadable."""
    try:
        text = json.dumps(value[:_SHOWN] if isinstance(value, str) else value)
    except ValueError:  # An integer of thousands of digits, which Python does not print.
        return "a number of very many digits"
    return text if len(text) <= 2 * _SHOWN else text[: 2 * _SHOWN] + "..."
