from __future__ import annotations

import operator
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tart import Document, Encoder
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, SearchRequest, build_index, parse_filter
from tart_index.changes import add_documents, compact, delete_documents
from tart_index.columns import MetadataColumns, count_types
from tart_index.filter_mask import FilterMasks, filter_mask
from tart_index.filters import Comparison, Not
from tests.index.counting import counting_encoder

UTC = timezone.utc
DATES = {
    "2019-12-31": datetime(2019, 12, 31, tzinfo=UTC),
    "2020-01-01": datetime(2020, 1, 1, tzinfo=UTC),
    "2020-01-01T00:00:00Z": datetime(2020, 1, 1, tzinfo=UTC),
    "2020-01-01T01:30:00+02:00": datetime(2019, 12, 31, 23, 30, tzinfo=UTC),
    "2020-01-01 00:00:00.000001": datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "0001-01-01T00:00+23:59": datetime(1, 1, 1, tzinfo=UTC),
}
ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
KEYS = ["a", "", "a.b", "a/b~", "ключ \U0001f600", "type"]
TEXTS = ["", "a", "b", "2020", "2020-01", "2020-13-01", "é", "\ue000", "\U0001f600", "1", "true", "a\x00b", "NaN"]
EDGES = [2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**30, 10**400, -(10**400)]
FLOATS = [0.5, 1.0, -0.0, 2.0**53, 2.0**63, -(2.0**63), 1e30, 1.7976931348623157e308, 5e-324]
numbers = st.integers(-2, 3) | st.sampled_from(EDGES) | st.sampled_from(FLOATS) | st.floats(allow_nan=False, width=16)
numbers = numbers.filter(lambda value: abs(value) != float("inf"))
texts = st.sampled_from(TEXTS) | st.sampled_from(list(DATES))
scalars = st.booleans() | numbers | texts
values = st.none() | scalars | st.lists(st.none() | scalars, max_size=3)
metadatas = st.dictionaries(st.sampled_from(KEYS), values, max_size=4)
comparisons = st.one_of(
    st.builds(
        lambda kind, key, value: {"type": kind, "key": key, "value": value},
        st.sampled_from(["eq", "ne"]),
        st.sampled_from(KEYS),
        scalars,
    ),
    st.builds(
        lambda kind, key, value: {"type": kind, "key": key, "value": value},
        st.sampled_from(list(ORDERS)),
        st.sampled_from(KEYS),
        numbers | texts,
    ),
    st.builds(
        lambda kind, key, value: {"type": kind, "key": key, "value": value},
        st.sampled_from(["in", "nin"]),
        st.sampled_from(KEYS),
        st.lists(scalars, max_size=4),
    ),
)
filters = st.recursive(
    comparisons,
    lambda inner: (
        st.builds(
            lambda kind, several: {"type": kind, "filters": several},
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=1, max_size=3),
        )
        | st.builds(lambda one: {"type": "not", "filter": one}, inner)
    ),
    max_leaves=6,
)


def holds(wanted: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """What a filter means, one document at a time."""
    kind = wanted["type"]
    if kind == "not":
        return not holds(wanted["filter"], metadata)
    if kind in ("and", "or"):
        inner = [holds(one, metadata) for one in wanted["filters"]]
        return all(inner) if kind == "and" else any(inner)
    found = metadata.get(wanted["key"])
    elements = found if isinstance(found, list) else [found]
    value = wanted["value"]
    if kind in ORDERS:
        return any(stands(kind, element, value) for element in elements)
    wanted_values = value if kind in ("in", "nin") else [value]
    equal = any(equals(element, one) for element in elements for one in wanted_values)
    return equal == (kind in ("eq", "in"))


def kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else "text" if isinstance(value, str) else "null"


def equals(element: Any, value: Any) -> bool:
    if kind_of(element) != kind_of(value):
        return False
    return Fraction(element) == Fraction(value) if kind_of(value) == "number" else bool(element == value)


def stands(kind: str, element: Any, value: Any) -> bool:
    if kind_of(element) != kind_of(value) or kind_of(element) in ("boolean", "null"):
        return False
    if kind_of(value) == "number":
        return ORDERS[kind](Fraction(element), Fraction(value))
    if value in DATES:
        return element in DATES and ORDERS[kind](moment(element), moment(value))
    return ORDERS[kind]([ord(letter) for letter in element], [ord(letter) for letter in value])


def moment(text: str) -> float:
    # The one date here that datetime cannot hold as UTC is before all others.
    return -1e18 if text.startswith("0001") else DATES[text].timestamp() * 1e6


def corpus_of(documents: Sequence[Document]) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


@given(st.lists(metadatas, min_size=1, max_size=8), st.lists(filters, min_size=1, max_size=4), st.integers(1, 8))
@settings(max_examples=300, deadline=None)
def test_masks_are_those_of_one_document_at_a_time(
    rows: list[dict[str, Any]], wanted: list[dict[str, Any]], size: int
) -> None:
    documents = [Document(str(number), "x", metadata=row) for number, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        columns = []
        for start in range(0, len(documents), size):
            file = Path(folder) / f"{start}.arrow"
            part = documents[start : start + size]
            MetadataColumns.write(file, part)
            columns.append(MetadataColumns.open(file, len(part)))
        opened: Any = SimpleNamespace(columns=columns)
        for one in wanted:
            mask = filter_mask(opened, parse_filter(one))
            assert mask.tolist() == [holds(one, row) for row in rows], one


@pytest.fixture(scope="module")
def module_searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """Sixty documents in several parts, metadata of mixed types, some deleted."""
    draw = random.Random(3)
    words = "merge sort read compress parse open hash text list bytes dates sockets".split()  # noqa: SIM905
    choices: list[Any] = [1, 2, 2.0, True, "a", "2020-01-01", None, ["a", 1], 2**53 + 1, "2019-12-31"]
    documents = [
        Document(
            f"d{number}",
            " ".join(draw.choices(words, k=draw.randint(1, 9))),
            metadata={key: draw.choice(choices) for key in KEYS if draw.random() < 0.6},
        )
        for number in range(60)
    ]
    path = tmp_path_factory.mktemp("filters") / "i"
    encoder = counting_encoder()
    build_index(corpus_of(documents[:50]), path, encoder, BuildOptions(part_size=16))
    delete_documents(path, [f"d{number}" for number in range(0, 50, 7)])
    add_documents(path, corpus_of(documents[50:]), encoder)
    return Searcher(IndexFolder.open(path), encoder)


requests = st.tuples(
    st.none() | filters, st.integers(1, 30), st.integers(0, 30), st.sampled_from(["merge", "sort a list", "read"])
)


@given(batch=st.lists(requests, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_search_under_filters_is_brute_force(module_searcher: Searcher, batch: list[Any]) -> None:
    folder = module_searcher.folder
    kept = list(folder.rows())
    asked = [
        SearchRequest(query, "", top_k=k, offset=offset, filter=None if wanted is None else parse_filter(wanted))
        for wanted, k, offset, query in batch
    ]
    for (wanted, k, offset, query), result in zip(batch, module_searcher.search(asked), strict=True):
        vector = module_searcher.encoder.encode_queries([query])[0]
        matching = {
            folder.document(row).id: float(folder.vector(row) @ vector)
            for row in kept
            if wanted is None or holds(wanted, folder.document(row).metadata)
        }
        best = sorted(matching.values(), reverse=True)
        assert [hit.score for hit in result.hits] == pytest.approx(best[offset : offset + k], abs=1e-6)
        assert all(hit.score == pytest.approx(matching[hit.document.id], abs=1e-6) for hit in result.hits)
        assert len({hit.document.id for hit in result.hits}) == len(result.hits)
        assert result.has_more == (len(matching) > offset + k)


def test_pages_under_a_filter_join(module_searcher: Searcher) -> None:
    wanted = Not(Comparison("eq", "a", "a"))
    whole = module_searcher.search([SearchRequest("merge", top_k=60, filter=wanted)])[0]
    assert 6 < len(whole.hits) < 52
    pages: list[Any] = []
    offset = 0
    while True:
        page = module_searcher.search([SearchRequest("merge", top_k=5, offset=offset, filter=wanted)])[0]
        pages += page.hits
        offset += 5
        if not page.has_more:
            break
    assert pages == whole.hits


def index_of(path: Path, encoder: Encoder, metadata: Sequence[Mapping[str, Any]], size: int = 4) -> IndexFolder:
    documents = [Document(f"d{number}", "x", metadata=one) for number, one in enumerate(metadata)]
    build_index(corpus_of(documents), path, encoder, BuildOptions(part_size=size))
    return IndexFolder.open(path)


def matching(folder: IndexFolder, kind: str, key: str, value: Any) -> list[int]:
    return np.flatnonzero(filter_mask(folder, parse_filter({"type": kind, "key": key, "value": value}))).tolist()


def test_a_key_may_have_another_type_in_every_part(tmp_path: Path, counting: Encoder) -> None:
    metadata = [{"k": value} for value in (1, "1", True, 1.0, [1, "x"], None, "2020-01-01", 0)]
    folder = index_of(tmp_path / "i", counting, metadata, size=1)
    assert matching(folder, "eq", "k", 1) == [0, 3, 4]
    assert matching(folder, "eq", "k", "1") == [1]
    assert matching(folder, "eq", "k", True) == [2]
    assert matching(folder, "ne", "k", 1) == [1, 2, 5, 6, 7]
    assert matching(folder, "lt", "k", 5) == [0, 3, 4, 7]
    assert matching(folder, "gte", "k", "") == [1, 4, 6]
    assert matching(folder, "in", "k", [True, "x", "2020-01-01"]) == [2, 4, 6]
    assert matching(folder, "nin", "k", [1, 0]) == [1, 2, 5, 6]
    assert matching(folder, "in", "k", []) == []
    assert matching(folder, "nin", "k", []) == list(range(8))


def test_dates_are_compared_by_time_and_text_by_code_points(tmp_path: Path, counting: Encoder) -> None:
    days = ["2020-01-02", "2020-01-01T23:30:00-01:00", "2020-01-02T00:30:00+01:00", "2020-01", "someday", 2021]
    folder = index_of(tmp_path / "i", counting, [{"day": day} for day in days])
    assert matching(folder, "gte", "day", "2020-01-02") == [0, 1]
    assert matching(folder, "lt", "day", "2020-01-02") == [2]
    assert matching(folder, "lte", "day", "2020-01-02T00:30:00Z") == [0, 1, 2]
    assert matching(folder, "gte", "day", "2020-01") == [0, 1, 2, 3, 4]
    assert matching(folder, "eq", "day", "2020-01-01T23:30:00-01:00") == [1]


def test_an_index_without_metadata_matches_nothing_but_its_negation(tmp_path: Path, counting: Encoder) -> None:
    folder = index_of(tmp_path / "i", counting, [{}, {}, {"k": []}], size=2)
    assert matching(folder, "eq", "k", 1) == []
    assert matching(folder, "ne", "k", 1) == [0, 1, 2]
    result = Searcher(folder, counting).search([SearchRequest("x", filter=Comparison("eq", "k", 1))])[0]
    assert (result.hits, result.has_more) == ([], False)
    assert count_types(folder.columns, folder.alive) == {}


def test_deleted_documents_are_never_found(tmp_path: Path, counting: Encoder) -> None:
    index_of(tmp_path / "i", counting, [{"n": number % 2} for number in range(10)])
    delete_documents(tmp_path / "i", ["d1", "d4"])
    folder = IndexFolder.open(tmp_path / "i")
    searcher = Searcher(folder, counting)
    odd, even = (
        searcher.search([SearchRequest("x", filter=Comparison("eq", "n", number))])[0].hits for number in (1, 0)
    )
    assert [hit.document.id for hit in odd] == ["d3", "d5", "d7", "d9"]
    assert [hit.document.id for hit in even] == ["d0", "d2", "d6", "d8"]
    assert count_types(folder.columns, folder.alive) == {"n": {"number": 8}}
    compact(tmp_path / "i")
    # d0, d2, d3, d5, d6, d7, d8, d9
    assert matching(IndexFolder.open(tmp_path / "i"), "eq", "n", 1) == [2, 3, 5, 7]


def test_an_emptied_index_has_an_empty_mask(tmp_path: Path, counting: Encoder) -> None:
    index_of(tmp_path / "i", counting, [{"n": 1}])
    delete_documents(tmp_path / "i", ["d0"])
    assert filter_mask(IndexFolder.open(tmp_path / "i"), Comparison("ne", "n", 2)).shape == (0,)


def test_types_are_counted_by_document(tmp_path: Path, counting: Encoder) -> None:
    rows = [{"k": [1, 2.5, 10**30, "a"], "": None}, {"k": "b"}, {"k": "2020-01-01"}, {"k": [True, False]}, {}]
    folder = index_of(tmp_path / "i", counting, rows, size=2)
    counts = count_types(folder.columns, folder.alive)
    assert counts == {"": {"null": 1}, "k": {"boolean": 1, "date": 1, "number": 1, "string": 2}}
    assert list(counts) == ["", "k"]


def test_masks_are_kept_but_not_without_end(tmp_path: Path, counting: Encoder) -> None:
    masks = FilterMasks(index_of(tmp_path / "i", counting, [{"n": number} for number in range(5)]))
    first = masks.allowed(Comparison("eq", "n", 0))
    assert masks.allowed(Comparison("eq", "n", 0)) is first
    for number in range(100):
        masks.allowed(Comparison("eq", "n", number))
    assert len(masks._masks) == 32
    again = masks.allowed(Comparison("eq", "n", 0))
    assert again is not first
    assert again is not None
    assert np.flatnonzero(again).tolist() == [0]
    assert masks.allowed(None) is None
