"""The values of metadata keys that have few, for people who pick a filter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from tart_index.columns import Group, MetadataColumns


def few_values(
    columns: Iterable[MetadataColumns], alive: NDArray[np.bool_] | None, most: int
) -> dict[str, dict[str | bool, int]]:
    """By key and value, in how many documents a string or boolean stands; keys of more than `most` values are left out.

    Args:
        columns: Of all parts, in their order.
        alive: Shape: (stored rows,); None where no row is deleted.
        most: Values that a key may have.

    Returns:
        Keys sorted; values by falling count, then by the alphabet.

    Raises:
        IndexFolderError: A file is damaged.
    """
    counts: dict[str, dict[str | bool, int]] = {}
    many: set[str] = set()
    start = 0
    for part in columns:
        inside = slice(start, start + part.count)
        start += part.count
        for key, kind, group in part.groups():
            if kind not in ("text", "boolean") or key in many:
                continue
            values = counts.setdefault(key, {})
            for value, number in _counted(group, kind, None if alive is None else alive[inside]):
                values[value] = values.get(value, 0) + number
            if len(values) > most:
                many.add(key)
    return {
        key: dict(sorted(counts[key].items(), key=lambda item: (-item[1], str(item[0]))))
        for key in sorted(counts)
        if key not in many and counts[key]
    }


def _counted(group: Group, kind: str, alive: NDArray[np.bool_] | None) -> Iterator[tuple[str | bool, int]]:
    """Values with the number of living rows that have them; a list in the metadata may name one twice."""
    if kind == "boolean":
        names: list[str | bool] = [False, True]
        codes = group.ints
    else:
        encoded = group.texts.dictionary_encode()
        names = encoded.dictionary.to_pylist()
        codes = encoded.indices.to_numpy(zero_copy_only=False)
    pairs = np.unique(np.stack([group.rows.astype(np.int64), codes.astype(np.int64)]), axis=1)
    if alive is not None:
        pairs = pairs[:, alive[pairs[0]]]
    numbers = np.bincount(pairs[1], minlength=len(names))
    return ((name, int(number)) for name, number in zip(names, numbers, strict=True) if number)
