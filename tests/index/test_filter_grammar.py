from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from tart_index import parse_filter
from tart_index.filters import AllOf, AnyOf, Comparison, FilterError, Not


def nested(depth: int) -> dict[str, Any]:
    wanted: dict[str, Any] = {"type": "eq", "key": "k", "value": 1}
    for _ in range(depth - 1):
        wanted = {"type": "not", "filter": wanted}
    return wanted


def group(*inner: Any) -> dict[str, Any]:
    return {"type": "and", "filters": list(inner)}


ONE = {"type": "eq", "key": "k", "value": 1}
MALFORMED: list[tuple[Any, str, str]] = [
    (None, "", 'found null; wanted an object such as {"type": "eq", "key": "kind", "value": "code"}'),
    ([ONE], "", "found [{"),
    ("kind=code", "", 'found "kind=code"; wanted an object'),
    ({}, "/type", "this field is missing; wanted one of eq, ne, gt, gte, lt, lte, in, nin, and, or, not"),
    ({**ONE, "type": "equals"}, "/type", 'found "equals"; wanted one of eq, ne'),
    ({**ONE, "type": ["eq"]}, "/type", 'found ["eq"]; wanted one of eq, ne'),
    ({"type": "eq", "value": 1}, "/key", "this field is missing; it has no default"),
    ({"type": "eq", "key": "k"}, "/value", "this field is missing; it has no default"),
    ({**ONE, "op": 1}, "/op", 'there is no field "op"; a filter of type "eq" has type, key and value'),
    ({**ONE, "a b\n": 1}, '/"a b\\n"', 'there is no field "a b\\n"'),
    ({**ONE, "key": 3}, "/key", "found 3; wanted the name of a metadata key"),
    ({**ONE, "key": "\ud800"}, "/key", 'found "\\ud800"; wanted the name of a metadata key'),
    ({**ONE, "value": None}, "/value", "found null; wanted a string, a number or a boolean"),
    ({**ONE, "value": [1]}, "/value", "found [1]; wanted a string, a number or a boolean"),
    ({**ONE, "value": "\ud800"}, "/value", 'found "\\ud800"; wanted a string, a number or a boolean'),
    ({**ONE, "value": float("nan")}, "/value", "found nan; wanted a finite number"),
    ({**ONE, "value": float("-inf")}, "/value", "found -inf; wanted a finite number"),
    ({**ONE, "value": 1 << 15_000}, "/value", "found a number of 15001 bits; wanted at most 14000"),
    ({**ONE, "type": "gt", "value": True}, "/value", "found true; wanted a number or a string to compare with"),
    ({**ONE, "type": "in"}, "/value", "found 1; wanted a list of values"),
    ({**ONE, "type": "nin", "value": "abc"}, "/value", 'found "abc"; wanted a list of values'),
    ({**ONE, "type": "in", "value": [1, None]}, "/value/1", "found null; wanted a string, a number or a boolean"),
    ({**ONE, "type": "in", "value": [1] * 1_001}, "/value", "found 1001 values; wanted at most 1000"),
    (group(), "/filters", "found an empty list; wanted at least one filter"),
    ({"type": "or", "filters": ONE}, "/filters", 'found {"type": "eq"'),
    ({"type": "or"}, "/filters", "this field is missing; it has no default"),
    ({"type": "not", "filters": [ONE]}, "/filter", "this field is missing"),
    ({"type": "not", "filter": None}, "/filter", "found null; wanted an object"),
    (group(ONE, {"type": "not", "filter": group({**ONE, "key": 1})}), "/filters/1/filter/filters/0/key", "found 1"),
    (group(*[ONE] * 101), "/filters", "found 101 filters; wanted at most 100"),
    (group(group(*[ONE] * 60), group(*[ONE] * 60)), "", "found 120 comparisons; wanted at most 100"),
    (nested(17), "/filter" * 16, "filters nest more than 16 deep; wanted a flatter one"),
    (nested(400), "/filter" * 16, "filters nest more than 16 deep"),
]


@pytest.mark.parametrize(("wanted", "place", "message"), MALFORMED)
def test_a_malformed_filter_is_refused_with_its_place(wanted: Any, place: str, message: str) -> None:
    with pytest.raises(FilterError) as error:
        parse_filter(wanted)
    text = str(error.value)
    assert text.startswith(f"filter{place}: {message}")
    assert text.isascii()
    assert "\n" not in text
    assert len(text) < 500


def test_the_limits_themselves_are_allowed() -> None:
    parse_filter(nested(16))
    parse_filter(group(*[ONE] * 100))
    parse_filter({**ONE, "type": "in", "value": list(range(1_000))})


def test_filters_made_in_python_are_checked_too() -> None:
    one = Comparison("eq", "k", 1)
    with pytest.raises(FilterError, match="wanted at least one filter"):
        AnyOf(())
    with pytest.raises(FilterError, match="wanted one of eq"):
        Comparison("==", "k", 1)  # type: ignore[arg-type]
    with pytest.raises(FilterError, match="found a value of type datetime; wanted a string"):
        Comparison("gt", "k", datetime(2020, 1, 1, tzinfo=timezone.utc))  # type: ignore[arg-type]
    with pytest.raises(FilterError, match="120 comparisons"):
        AllOf((AnyOf((one,) * 60), AnyOf((one,) * 60)))
    deep: Any = one
    for _ in range(15):
        deep = Not(deep)
    with pytest.raises(FilterError, match="more than 16 deep"):
        Not(deep)
    assert parse_filter(json.loads(json.dumps(group(ONE, nested(2))))) == AllOf((one, Not(one)))


def test_values_that_python_holds_for_equal_are_different_filters() -> None:
    assert len({Comparison("eq", "k", value) for value in (True, 1, 1.0)}) == 3
    assert Comparison("in", "k", (True, 2)) != Comparison("in", "k", (1, 2))
    assert Comparison("in", "k", [1]) == Comparison("in", "k", (1,))  # type: ignore[arg-type]
