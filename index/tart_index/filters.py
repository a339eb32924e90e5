"""Metadata filters: which documents a query may find, checked once by the types that hold them.

The grammar is that of OpenAI's vector stores, with `nin` and `not` added::

    {"type": "and", "filters": [{"type": "eq", "key": "kind", "value": "code"},
                                {"type": "gte", "key": "year", "value": 2020}]}

- `eq` and `in` hold where the metadata value equals one of the filter's, `ne` and `nin` exactly where those do not.
- `gt`, `gte`, `lt` and `lte` compare numbers with numbers and strings with strings. A string that is a full ISO 8601
  date, or date and time, is a date: a filter's date is compared by time, and with dates only; another string is
  compared with strings and dates alike, by code points, so that `gte "2020-06"` means what it seems to.
- Integers and floats compare as numbers, exactly at any size. Booleans equal booleans only, never 0 or 1.
- Types that differ never compare. Null is like a key that is missing: only `ne`, `nin` and `not` find such documents.
- Of a list in the metadata, one element that holds is enough; so `ne` means that no element equals.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

from tart.errors import QueryError

MAX_DEPTH: Final = 16
MAX_COMPARISONS: Final = 100
MAX_VALUES: Final = 1_000
# Python prints no integer of more than 4,300 digits.
_MOST_BITS = 14_000
_SHOWN = 80
_EXAMPLE = '{"type": "eq", "key": "kind", "value": "code"}'

Operator: TypeAlias = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)
ORDERINGS: Final[tuple[Operator, ...]] = ("gt", "gte", "lt", "lte")
Scalar: TypeAlias = str | int | float | bool
Step: TypeAlias = str | int


class FilterError(QueryError):
    """A filter that does not follow the grammar.

    Attributes:
        detail: What was found and what was wanted.
        path: From the filter to the place: `("filters", 0, "value")`.
    """

    def __init__(self, detail: str, path: tuple[Step, ...] = ()) -> None:
        self.detail = detail
        self.path = path
        super().__init__(f"{'/'.join(('filter', *map(_step, path)))}: {detail}")

    def below(self, *steps: Step) -> FilterError:
        """The same error, seen from further out."""
        return FilterError(self.detail, (*steps, *self.path))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One key compared with one value, or with a list of them for `in` and `nin`.

    Raises:
        FilterError: The operator is unknown, or the value none that it compares with.
    """

    operator: Operator
    key: str
    value: Scalar | tuple[Scalar, ...]
    # Python holds True, 1 and 1.0 for equal, a filter does not.
    _types: tuple[type, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise FilterError(f"found {_shown(self.operator)}; wanted one of {', '.join(OPERATORS)}", ("type",))
        if not isinstance(self.key, str) or not _encodable(self.key):
            raise FilterError(f"found {_shown(self.key)}; wanted the name of a metadata key", ("key",))
        if isinstance(self.value, list):
            object.__setattr__(self, "value", tuple(self.value))
        _check_value(self.operator, self.value)
        object.__setattr__(self, "_types", tuple(type(value) for value in self.values))

    @property
    def values(self) -> tuple[Scalar, ...]:
        """The value or values as a tuple."""
        return self.value if isinstance(self.value, tuple) else (self.value,)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds where all of some filters hold.

    Raises:
        FilterError: There is none, or they are too many or nest too deeply.
    """

    filters: tuple[Filter, ...]

    def __post_init__(self) -> None:
        _check_group(self, self.filters)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds where one of some filters holds.

    Raises:
        FilterError: There is none, or they are too many or nest too deeply.
    """

    filters: tuple[Filter, ...]

    def __post_init__(self) -> None:
        _check_group(self, self.filters)


@dataclass(frozen=True, slots=True)
class Not:
    """Holds where a filter does not.

    Raises:
        FilterError: It nests too deeply.
    """

    filter: Filter

    def __post_init__(self) -> None:
        _check_group(self, (self.filter,))


Filter: TypeAlias = Comparison | AllOf | AnyOf | Not
_GROUPS: Final[Mapping[str, type[AllOf | AnyOf]]] = {"and": AllOf, "or": AnyOf}
_TYPES = (*OPERATORS, *_GROUPS, "not")


def parse_filter(value: object) -> Filter:
    """Reads a filter as JSON has it.

    Raises:
        FilterError: It does not follow the grammar; the error says where.
    """
    return _parse(value, depth=1)


def comparisons(wanted: Filter) -> Iterator[Comparison]:
    """All comparisons of a filter."""
    if isinstance(wanted, Comparison):
        yield wanted
    else:
        for inner in _children(wanted):
            yield from comparisons(inner)


def _parse(value: object, depth: int) -> Filter:
    if not isinstance(value, Mapping):
        raise FilterError(f"found {_shown(value)}; wanted an object such as {_EXAMPLE}")
    if depth > MAX_DEPTH:
        raise FilterError(f"filters nest more than {MAX_DEPTH} deep; wanted a flatter one")
    if "type" not in value:
        raise FilterError(f"this field is missing; wanted one of {', '.join(_TYPES)}", ("type",))
    kind = value["type"]
    if not isinstance(kind, str) or kind not in _TYPES:
        raise FilterError(f"found {_shown(kind)}; wanted one of {', '.join(_TYPES)}", ("type",))
    if kind == "not":
        _check_fields(value, "filter")
        return Not(_parse_below(value["filter"], depth, "filter"))
    if kind in _GROUPS:
        _check_fields(value, "filters")
        return _GROUPS[kind](_parse_all(value["filters"], depth))
    _check_fields(value, "key", "value")
    return Comparison(kind, value["key"], value["value"])  # type: ignore[arg-type]


def _parse_all(values: object, depth: int) -> tuple[Filter, ...]:
    if not isinstance(values, (list, tuple)):
        raise FilterError(f"found {_shown(values)}; wanted a list of filters", ("filters",))
    if len(values) > MAX_COMPARISONS:
        raise FilterError(f"found {len(values)} filters; wanted at most {MAX_COMPARISONS}", ("filters",))
    return tuple(_parse_below(value, depth, "filters", number) for number, value in enumerate(values))


def _parse_below(value: object, depth: int, *steps: Step) -> Filter:
    try:
        return _parse(value, depth + 1)
    except FilterError as error:
        raise error.below(*steps) from None


def _check_fields(value: Mapping[object, object], *wanted: str) -> None:
    for name in wanted:
        if name not in value:
            raise FilterError("this field is missing; it has no default", (name,))
    for given in value:
        if given not in ("type", *wanted):
            here = f"a filter of type {_shown(value['type'])} has type, {' and '.join(wanted)}"
            raise FilterError(f"there is no field {_shown(given)}; {here}", (str(given),))


def _check_value(operator: Operator, value: object) -> None:
    if operator not in ("in", "nin"):
        if isinstance(value, bool) and operator in ORDERINGS:
            raise FilterError(f"found {_shown(value)}; wanted a number or a string to compare with", ("value",))
        _check_scalar(value, ("value",))
        return
    if not isinstance(value, tuple):
        raise FilterError(f"found {_shown(value)}; wanted a list of values", ("value",))
    if len(value) > MAX_VALUES:
        raise FilterError(f"found {len(value)} values; wanted at most {MAX_VALUES}", ("value",))
    for number, one in enumerate(value):
        _check_scalar(one, ("value", number))


def _check_scalar(value: object, path: tuple[Step, ...]) -> None:
    good = isinstance(value, (str, int, float)) and not (isinstance(value, str) and not _encodable(value))
    if not good:
        raise FilterError(f"found {_shown(value)}; wanted a string, a number or a boolean", path)
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise FilterError(f"found a number of {value.bit_length()} bits; wanted at most {_MOST_BITS}", path)
    if isinstance(value, float) and not math.isfinite(value):
        raise FilterError(f"found {value}; wanted a finite number", path)


def _check_group(group: AllOf | AnyOf | Not, filters: tuple[Filter, ...]) -> None:
    if not filters:
        raise FilterError("found an empty list; wanted at least one filter", ("filters",))
    count = sum(1 for _ in comparisons(group))
    if count > MAX_COMPARISONS:
        raise FilterError(f"found {count} comparisons; wanted at most {MAX_COMPARISONS}")
    if _depth(group) > MAX_DEPTH:
        raise FilterError(f"filters nest more than {MAX_DEPTH} deep; wanted a flatter one")


def _depth(wanted: Filter) -> int:
    return 1 + max((_depth(inner) for inner in _children(wanted)), default=0)


def _children(wanted: Filter) -> tuple[Filter, ...]:
    if isinstance(wanted, Comparison):
        return ()
    return (wanted.filter,) if isinstance(wanted, Not) else wanted.filters


def _encodable(text: str) -> bool:
    """Whether UTF-8 can hold a text; JSON escapes can write half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _step(step: Step) -> str:
    return step if isinstance(step, str) and step.isalnum() and len(step) <= _SHOWN else _shown(step)


def _shown(value: object) -> str:
    """A value as ASCII JSON, cut: one line, whatever it is."""
    try:
        text = json.dumps(value[:_SHOWN] if isinstance(value, str) else value)
    except (TypeError, ValueError, RecursionError):
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= 2 * _SHOWN else text[: 2 * _SHOWN] + "..."
