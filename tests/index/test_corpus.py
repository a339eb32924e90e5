from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tart import Document
from tart.errors import SourceError
from tart.readers import ReadOptions, ReadReport
from tart_index.corpus import Corpus, SeenIds, content_hash


@given(st.lists(st.integers(0, 60), max_size=300), st.integers(1, 20))
def test_seen_ids_is_a_set(numbers: list[int], fresh: int) -> None:
    seen, model = SeenIds(), set[int]()
    seen._FRESH = fresh  # type: ignore[misc]  # Small runs, so that merging happens.
    for number in numbers:
        assert seen.add(str(number)) == (number not in model)
        model.add(number)


@settings(max_examples=5)
@given(st.integers(1, 40))
def test_seen_ids_keeps_few_runs(fresh: int) -> None:
    seen = SeenIds()
    seen._FRESH = fresh  # type: ignore[misc]
    assert all(seen.add(str(number)) for number in range(2_000))
    assert not any(seen.add(str(number)) for number in range(2_000))
    assert len(seen._runs) <= 12


def test_sources_follow_one_another(write_jsonl: Callable[..., Path], documents: list[Document]) -> None:
    first, second = write_jsonl(documents[:3], "a.jsonl"), write_jsonl(documents[3:5], "b.jsonl")
    report = ReadReport()
    corpus = Corpus.from_sources([str(first), str(second)])
    assert list(corpus.documents(report)) == documents[:5]
    assert report.documents == 5


def test_a_second_document_of_one_id_is_refused_with_its_place(
    write_jsonl: Callable[..., Path], documents: list[Document]
) -> None:
    first, second = write_jsonl(documents[:3], "a.jsonl"), write_jsonl([documents[4], documents[1]], "b.jsonl")
    corpus = Corpus.from_sources([str(first), str(second)])
    with pytest.raises(SourceError, match=r"b\.jsonl:2: the id 'd1' stands a second time"):
        list(corpus.documents(ReadReport()))


def test_or_skipped_and_counted(write_jsonl: Callable[..., Path], documents: list[Document]) -> None:
    file = write_jsonl([*documents[:3], documents[0]])
    report = ReadReport()
    corpus = Corpus.from_sources([str(file)], ReadOptions(on_error="skip"))
    assert list(corpus.documents(report)) == documents[:3]
    assert dict(report.skipped) == {"duplicate id": 1}
    assert "corpus.jsonl:4" in report.messages[0]


def test_a_missing_source_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        Corpus.from_sources([str(tmp_path / "nothing.jsonl")])


def test_standard_input_is_read_once() -> None:
    assert not Corpus.from_sources(["-"]).rereadable
    assert Corpus.from_documents("x", list).rereadable


@pytest.mark.parametrize(
    "other",
    [
        [Document("a", "bc")],
        [Document("ab", "c", "d")],
        [Document("a", "b", "c", {"k": 1})],
        [Document("a", "b", "c", {"k": 2})],
        [Document("a", "b", "c"), Document("d", "e")],
    ],
)
def test_content_hash_tells_contents_apart(other: Sequence[Document]) -> None:
    assert content_hash(["m"], other) != content_hash(["m"], [Document("a", "b", "c")])


def test_content_hash_follows_the_model_and_not_the_order_of_metadata() -> None:
    one, two = Document("a", "b", "c", {"x": 1, "y": 2}), Document("a", "b", "c", {"y": 2, "x": 1})
    assert content_hash(["m"], [one]) == content_hash(["m"], [two])
    assert content_hash(["m"], [one]) != content_hash(["n"], [one])
    assert len(content_hash([], [])) == 32
