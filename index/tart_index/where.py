"""Filters as a command line writes them: JSON, or `year >= 2020`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NoReturn

from tart.errors import QueryError
from tart_index.filters import AllOf, Comparison, Filter, FilterError, Operator, parse_filter

_OPERATORS: dict[str, Operator] = {
    "=": "eq",
    "==": "eq",
    "!=": "ne",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
}
_CONDITION = re.compile(r"\s*(.+?)\s*(!=|>=|<=|==|=|>|<)\s*(.*?)\s*", re.DOTALL)


def read_filter(filter_json: str | None, conditions: Sequence[str]) -> Filter | None:
    """All of a filter in JSON and some conditions; None where there is neither.

    Raises:
        QueryError: One is malformed.
    """
    filters = [] if filter_json is None else [_json_filter(filter_json)]
    filters += [parse_condition(condition) for condition in conditions]
    if len(filters) > 1:
        return AllOf(tuple(filters))
    return filters[0] if filters else None


def parse_condition(condition: str) -> Comparison:
    """Reads `KEY OPERATOR VALUE`; the first operator counts, and a value that is no JSON scalar is a string.

    Raises:
        QueryError: It is none.
    """
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise QueryError(f"--where: found {condition!r}; wanted KEY OPERATOR VALUE with one of {' '.join(_OPERATORS)}")
    key, sign, value = match.groups()
    try:
        return Comparison(_OPERATORS[sign], key, _value(value))
    except FilterError as error:
        raise QueryError(f"--where {condition!r}: {error.detail}") from None


def _value(text: str) -> str | int | float | bool:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, (list, dict)) else value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _json_filter(text: str) -> Filter:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        example = '{"type": "eq", "key": "kind", "value": "code"}'
        raise QueryError(f"--filter: not JSON ({error}); wanted a filter such as {example}") from None
    return parse_filter(value)
