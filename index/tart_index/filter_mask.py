"""From a metadata filter to the rows that it allows, by whole columns."""

from __future__ import annotations

import math
import operator
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tart_index.columns import INT64, MetadataColumns
from tart_index.dates import instant
from tart_index.filters import AllOf, Comparison, Filter, Not, Scalar
from tart_index.folder import IndexFolder

_CACHED_FILTERS = 32
_CACHED_BYTES = 1 << 28
_FLOAT_MAX = float(np.finfo(np.float64).max)
# Arrow's for texts, Python's for numbers and arrays of them.
_ARROW: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "gt": pc.greater,
    "gte": pc.greater_equal,
    "lt": pc.less,
    "lte": pc.less_equal,
}
_PYTHON: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def filter_mask(folder: IndexFolder, wanted: Filter) -> NDArray[np.bool_]:
    """Which stored rows a filter holds for. Shape: (stored rows,), bool; deleted rows are not looked at.

    Raises:
        IndexFolderError: The index is damaged.
    """
    masks = [_part_mask(columns, wanted) for columns in folder.columns]
    return np.concatenate([np.empty(0, dtype=np.bool_), *masks])


class FilterMasks:
    """Masks of the filters used last, for one version of an index; may be shared by threads.

    Args:
        folder: That version.
    """

    def __init__(self, folder: IndexFolder) -> None:
        self._folder = folder
        self._masks: OrderedDict[Filter, NDArray[np.bool_]] = OrderedDict()
        self._most = max(1, min(_CACHED_FILTERS, _CACHED_BYTES // max(1, folder.manifest.rows)))
        self._lock = Lock()

    def allowed(self, wanted: Filter | None) -> NDArray[np.bool_] | None:
        """The rows that may be found under a filter: neither deleted nor filtered out. None allows all.

        Shape: (stored rows,), bool, not writeable where it is kept for the next request.

        Raises:
            IndexFolderError: The index is damaged.
        """
        alive = self._folder.alive
        if wanted is None:
            return alive
        with self._lock:
            mask = self._masks.get(wanted)
            if mask is None:
                mask = filter_mask(self._folder, wanted)
                if alive is not None:
                    mask &= alive
                mask.flags.writeable = False
                self._masks[wanted] = mask
            self._masks.move_to_end(wanted)
            while len(self._masks) > self._most:
                self._masks.popitem(last=False)
        return mask


def _part_mask(columns: MetadataColumns, wanted: Filter) -> NDArray[np.bool_]:
    if isinstance(wanted, Not):
        return ~_part_mask(columns, wanted.filter)
    if isinstance(wanted, Comparison):
        return _compared(columns, wanted)
    joined = np.logical_and if isinstance(wanted, AllOf) else np.logical_or
    mask = _part_mask(columns, wanted.filters[0])
    for inner in wanted.filters[1:]:
        joined(mask, _part_mask(columns, inner), out=mask)
    return mask


def _compared(columns: MetadataColumns, comparison: Comparison) -> NDArray[np.bool_]:
    if comparison.operator in ("eq", "ne", "in", "nin"):
        holding = _equal(columns, comparison.key, comparison.values)
    else:
        holding = _ordered(columns, comparison.key, comparison.operator, comparison.values[0])
    mask = np.zeros(columns.count, dtype=np.bool_)
    for rows in holding:
        mask[rows] = True
    return ~mask if comparison.operator in ("ne", "nin") else mask


def _equal(columns: MetadataColumns, key: str, wanted: Sequence[Scalar]) -> Iterator[NDArray[np.uint32]]:
    """Rows with a value that equals one of those wanted."""
    booleans = [value for value in wanted if isinstance(value, bool)]
    numbers = [value for value in wanted if isinstance(value, (int, float)) and not isinstance(value, bool)]
    texts = [value for value in wanted if isinstance(value, str)]
    if booleans and (group := columns.group(key, "boolean")):
        yield group.rows[np.isin(group.ints, np.array(booleans, dtype=np.int64))]
    if numbers:
        yield from _equal_numbers(columns, key, numbers)
    dates = [text for text in texts if instant(text) is not None]
    for kind, some in (("date", dates), ("text", [text for text in texts if instant(text) is None])):
        if some and (group := columns.group(key, kind)):  # type: ignore[arg-type]
            texts_wanted = pa.array(some, type=pa.large_string())
            one = len(some) == 1
            holds = pc.equal(group.texts, texts_wanted[0]) if one else pc.is_in(group.texts, value_set=texts_wanted)
            yield group.rows[_numpy(holds)]


def _equal_numbers(columns: MetadataColumns, key: str, wanted: Sequence[int | float]) -> Iterator[NDArray[np.uint32]]:
    whole = {int(value) for value in wanted if value == math.floor(value)}
    if group := columns.group(key, "integer"):
        fitting = [value for value in whole if INT64[0] <= value <= INT64[1]]
        yield group.rows[np.isin(group.ints, np.array(fitting, dtype=np.int64))]
    if group := columns.group(key, "float"):
        exact = [_float_at_least(value) for value in wanted if _float_at_least(value) == value]
        yield group.rows[np.isin(group.floats, np.array(exact, dtype=np.float64))]
    if big := columns.big_integers(key):
        rows, integers = big
        yield rows[np.array([integer in whole for integer in integers], dtype=np.bool_)]


def _ordered(columns: MetadataColumns, key: str, name: str, wanted: Scalar) -> Iterator[NDArray[np.uint32]]:
    """Rows with a value on the wanted side of another."""
    if not isinstance(wanted, str):
        yield from _ordered_numbers(columns, key, name, wanted)
        return
    moment = instant(wanted)
    if moment is not None:
        if group := columns.group(key, "date"):
            yield group.rows[_PYTHON[name](group.ints, moment)]
        return
    # Arrow compares bytes, and UTF-8 sorts as its code points do.
    bound = pa.scalar(wanted, type=pa.large_string())
    for group in (columns.group(key, "text"), columns.group(key, "date")):
        if group is not None:
            yield group.rows[_numpy(_ARROW[name](group.texts, bound))]


def _ordered_numbers(columns: MetadataColumns, key: str, name: str, wanted: float) -> Iterator[NDArray[np.uint32]]:
    """The bound is rounded to the column's own type, towards the side that keeps the answer exact."""
    above = name in ("gt", "gte")
    if group := columns.group(key, "integer"):
        # x > 2.5 is x >= 3, x > 2 is x >= 3, x < 2.5 is x <= 2.
        least, most = math.ceil(wanted) + (name == "gt" and wanted == math.ceil(wanted)), math.floor(wanted)
        most -= name == "lt" and wanted == most
        if above and least <= INT64[1]:
            yield group.rows[group.ints >= max(least, INT64[0])]
        if not above and most >= INT64[0]:
            yield group.rows[group.ints <= min(most, INT64[1])]
    if group := columns.group(key, "float"):
        bound = _float_at_least(wanted) if name in ("gte", "lt") else -_float_at_least(-wanted)
        yield group.rows[_PYTHON[name](group.floats, bound)]
    if big := columns.big_integers(key):
        rows, integers = big
        yield rows[np.array([_PYTHON[name](integer, wanted) for integer in integers], dtype=np.bool_)]


def _float_at_least(value: float) -> float:
    """The least float that is not less than a number; infinite beyond the greatest."""
    try:
        rounded = float(value)
    except OverflowError:
        return math.inf if value > 0 else -_FLOAT_MAX
    return rounded if rounded >= value else math.nextafter(rounded, math.inf)


def _numpy(mask: Any) -> NDArray[np.bool_]:
    array: NDArray[np.bool_] = mask.to_numpy(zero_copy_only=False)
    return array
