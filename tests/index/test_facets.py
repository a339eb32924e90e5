from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tart import Document
from tart_index.columns import MetadataColumns
from tart_index.facets import few_values

values = st.sampled_from(["a", "b", "c", "2024-01-01", True, False, 1, 1.5, None])
metadata = st.dictionaries(st.sampled_from(["x", "y", "z"]), values | st.lists(values, max_size=4), max_size=3)


def truth(documents: list[Document], alive: list[bool], most: int) -> dict[str, Counter[str | bool]]:
    """Counted one document after the other; dates are no strings."""
    counts: dict[str, Counter[str | bool]] = defaultdict(Counter)
    names: dict[str, set[str | bool]] = defaultdict(set)
    for document, lives in zip(documents, alive, strict=True):
        for key, value in document.metadata.items():
            several = value if isinstance(value, list) else [value]
            shown = {one for one in several if isinstance(one, (str, bool)) and one != "2024-01-01"}
            counts[key].update(one for one in shown if lives)
            names[key] |= {one for one in shown if lives}
    return {key: counter for key, counter in counts.items() if counter and len(names[key]) <= most}


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(metadata, st.booleans()), min_size=1, max_size=12), most=st.integers(1, 5))
def test_values_are_counted_as_by_hand(tmp_path_factory: object, rows: list[tuple[dict, bool]], most: int) -> None:  # type: ignore[type-arg]
    folder: Path = tmp_path_factory.mktemp("columns")  # type: ignore[attr-defined]
    documents = [Document(str(n), "text", "", row) for n, (row, _) in enumerate(rows)]
    alive = [lives for _, lives in rows]
    half = len(documents) // 2
    parts = []
    for number, some in enumerate((documents[:half], documents[half:])):
        if some:
            MetadataColumns.write(folder / str(number), some)
            parts.append(MetadataColumns.open(folder / str(number), len(some)))
    found = few_values(parts, None if all(alive) else np.array(alive), most)
    assert found == truth(documents, alive, most)
    for counts in found.values():
        assert list(counts.items()) == sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
