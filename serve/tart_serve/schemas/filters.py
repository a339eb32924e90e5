"""The field `filter`: read by the search's own parser, described for the documentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic.config import JsonDict
from pydantic_core import InitErrorDetails, PydanticCustomError

from tart_index.filters import MAX_COMPARISONS, MAX_VALUES, Filter, FilterError, Operator, comparisons, parse_filter

# Of all comparisons of a filter together.
MAX_ALL_VALUES = 10_000
# The type of findings whose place is a path into the body, and whose message needs no more words.
FILTER_FAULT = "filter"
COMPARISON_EXAMPLE: JsonDict = {"type": "eq", "key": "kind", "value": "code"}
FILTER_EXAMPLE: JsonDict = {
    "type": "and",
    "filters": [
        COMPARISON_EXAMPLE,
        {"type": "not", "filter": {"type": "in", "key": "number", "value": [3, 4]}},
    ],
}

Value: TypeAlias = str | float | bool


class ComparisonFilter(BaseModel):
    """Holds where a metadata value compares so; for a list, where one element does."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [COMPARISON_EXAMPLE]})

    type: Operator = Field(
        description="`gt`, `gte`, `lt`, `lte` compare numbers, dates (ISO 8601) or strings. `in` and `nin` take a list."
    )
    key: str = Field(description="Of the metadata. A document that has no such key fits only `ne` and `nin`.")
    value: Value | Annotated[list[Value], Field(max_length=MAX_VALUES)] = Field(
        description='Types that differ never compare: `1` equals `1.0`, and neither `true` nor `"1"`.'
    )


class CompoundFilter(BaseModel):
    """Holds where all (`and`) or any (`or`) of some filters hold."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["and", "or"] = Field(description="How they are joined.")
    filters: list[AnyFilter] = Field(
        min_length=1, max_length=MAX_COMPARISONS, description="Each of them a filter again."
    )


class NotFilter(BaseModel):
    """Holds where a filter does not."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["not"] = Field(description="Turns the filter round.")
    filter: AnyFilter = Field(description="A filter again.")


AnyFilter: TypeAlias = ComparisonFilter | CompoundFilter | NotFilter


def _parsed(value: Any) -> Filter | None:
    """A filter of a body; its fault is told with the place inside the filter."""
    if value is None:
        return None
    try:
        return _of_few_values(parse_filter(value))
    except FilterError as error:
        fault = PydanticCustomError(FILTER_FAULT, "{detail}", {"detail": error.detail})
        finding = InitErrorDetails(type=fault, loc=error.path, input=None)
        raise ValidationError.from_exception_data("filter", [finding]) from None


def _of_few_values(parsed: Filter) -> Filter:
    """The filter again, if all its comparisons together have not too many values."""
    count = sum(len(comparison.values) for comparison in comparisons(parsed))
    if count > MAX_ALL_VALUES:
        raise FilterError(f"found {count:,} values in all its comparisons; wanted at most {MAX_ALL_VALUES:,}")
    return parsed


FilterField: TypeAlias = Annotated[Any, PlainValidator(_parsed, json_schema_input_type=AnyFilter | None)]
