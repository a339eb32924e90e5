"""Field maps, read options, and how a row becomes a document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tart.documents import Document
from tart.errors import SourceError
from tart.readers import LAYOUTS, FieldMap, ReadOptions, ReadReport, read_documents


def write_rows(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_row(tmp_path: Path, row: dict[str, Any], fields: str | None = None) -> Document:
    options = ReadOptions(fields=FieldMap() if fields is None else FieldMap.parse(fields))
    [document] = read_documents(write_rows(tmp_path / "corpus.jsonl", row), options)
    return document


def refusal(tmp_path: Path, row: dict[str, Any], fields: str | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        read_row(tmp_path, row, fields)
    place = f"{tmp_path / 'corpus.jsonl'}:1: "
    message = str(caught.value)
    assert message.startswith(place)
    assert "\n" not in message
    return message.removeprefix(place)


def test_a_field_map_is_parsed() -> None:
    parsed = FieldMap.parse("id=_id, title=name,text=abstract+body,metadata=lang+year")
    assert parsed == FieldMap(id="_id", title="name", text=("abstract", "body"), metadata=("lang", "year"))
    assert FieldMap.parse("id=key") == FieldMap(id="key", title=None, text=("text",), metadata=None)
    assert FieldMap.parse("metadata=*").metadata == ("*",)
    assert FieldMap.parse("metadata=").metadata == ()
    assert FieldMap.parse("id=a=b").id == "a=b"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("key=name", ["'key'", "id, title, text, metadata"]),
        ("id", ["'id'", "PART=FIELD"]),
        ("", ["''", "PART=FIELD"]),
        ("id=", ["'id='", "PART=FIELD"]),
        ("text=", ["'text='", "PART=FIELD"]),
        ("id=a,id=b", ["'id' stands twice"]),
        ("id=a,", ["found ''", "PART=FIELD"]),
        ("text=a++b", ["empty name in 'a++b'"]),
        ("metadata=*+lang", ["'*+lang'", "alone"]),
    ],
)
def test_a_malformed_field_map_is_refused(text: str, parts: list[str]) -> None:
    with pytest.raises(SourceError) as caught:
        FieldMap.parse(text)
    for part in parts:
        assert part in str(caught.value)


def test_empty_field_names_are_refused() -> None:
    for arguments in ({"id": ""}, {"title": ""}, {"text": ()}, {"text": ("a", "")}, {"metadata": ("",)}):
        with pytest.raises(SourceError, match="field name is empty"):
            FieldMap(**arguments)


def test_the_layouts() -> None:
    assert LAYOUTS == ("jsonl", "parquet", "csv", "tsv", "beir", "text", "python", "datasets")


@pytest.mark.parametrize("encoding", ["no-such-codec", "hex", "base64", "rot13", "utf\0-8", ""])
def test_a_bad_encoding_is_refused_at_once(encoding: str) -> None:
    with pytest.raises(SourceError, match=r"is no text encoding of Python's; wanted a name such as utf-8 or latin-1"):
        ReadOptions(encoding=encoding)


def test_bad_options_are_refused() -> None:
    with pytest.raises(SourceError, match="there is no layout 'xml'; wanted one of jsonl, parquet"):
        ReadOptions(layout="xml")  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="on_error is 'ignore'; wanted 'fail' or 'skip'"):
        ReadOptions(on_error="ignore")  # type: ignore[arg-type]


def test_the_defaults(tmp_path: Path) -> None:
    row = {
        "_id": 7,
        "title": None,
        "text": "body",
        "metadata": {"lang": "en", "year": 2020, "deep": {"a": 1}},
        "year": 2021,
        "tags": ["a", 1, None, True],
        "nested": {"a": 1},
        "matrix": [[1]],
        "score": 0.5,
    }
    assert read_row(tmp_path, row) == Document(
        id="7",
        text="body",
        title="",
        metadata={"lang": "en", "year": 2021, "tags": ["a", 1, None, True], "score": 0.5},
    )


def test_id_goes_before_underscore_id(tmp_path: Path) -> None:
    assert read_row(tmp_path, {"id": "a", "_id": "b", "text": "t"}) == Document("a", "t", metadata={"_id": "b"})


def test_metadata_that_is_no_object_is_a_field_like_others(tmp_path: Path) -> None:
    assert read_row(tmp_path, {"id": "a", "text": "t", "metadata": "m"}).metadata == {"metadata": "m"}
    assert read_row(tmp_path, {"id": "a", "text": "t", "metadata": None}).metadata == {}
    assert read_row(tmp_path, {"id": "a", "text": "t", "metadata": {}}, "metadata=*").metadata == {}


def test_fields_are_mapped(tmp_path: Path) -> None:
    row = {"key": 3, "name": "N", "abstract": "A", "body": "B", "lang": "en", "metadata": {"year": 1999}, "text": "no"}
    fields = "id=key,title=name,text=abstract+body,metadata=lang+year"
    assert read_row(tmp_path, row, fields) == Document("3", "A\nB", "N", {"lang": "en", "year": 1999})
    left = {"lang": "en", "year": 1999, "text": "no"}
    assert read_row(tmp_path, row, "id=key,title=name,text=abstract+body,metadata=*").metadata == left
    assert read_row(tmp_path, row, "id=key,text=body,metadata=").metadata == {}
    assert read_row(tmp_path, row, "id=key,text=body,metadata=metadata+name").metadata == {"year": 1999, "name": "N"}


def test_text_fields_without_text_are_left_out(tmp_path: Path) -> None:
    row = {"id": "1", "a": None, "b": "B", "c": " ", "d": "D"}
    assert read_row(tmp_path, row, "text=a+b+c+d").text == "B\nD"


@pytest.mark.parametrize(
    ("row", "fields", "message"),
    [
        (
            {"name": "a", "body": "b"},
            None,
            "no field 'id' (found: 'name', 'body'); add ids or map one with --fields id=NAME",
        ),
        (
            {"id": "a", "body": "b"},
            None,
            "no field 'text' (found: 'id', 'body'); add texts or map one with --fields text=NAME",
        ),
        ({}, None, "no field 'id' (found: no fields); add ids or map one with --fields id=NAME"),
        (
            {"id": "a", "text": "t"},
            "id=k",
            "no field 'k' (found: 'id', 'text'); add ids or map one with --fields id=NAME",
        ),
        (
            {"id": "a", "body": "t"},
            "text=body+more",
            "no field 'more' (found: 'id', 'body'); add texts or map one with --fields text=NAME",
        ),
        ({"id": "", "text": "t"}, None, "field 'id' is empty; every document needs an id of its own"),
        ({"id": " \n", "text": "t"}, None, "field 'id' is empty; every document needs an id of its own"),
        ({"id": 1.5, "text": "t"}, None, "field 'id' is 1.5; wanted a string or an integer as the id"),
        ({"id": True, "text": "t"}, None, "field 'id' is true; wanted a string or an integer as the id"),
        ({"id": None, "text": "t"}, None, "field 'id' is null; wanted a string or an integer as the id"),
        ({"id": "a", "text": " \t\n"}, None, "no text in 'text'; give every document a text that is not blank"),
        ({"id": "a", "text": None}, None, "no text in 'text'; give every document a text that is not blank"),
        (
            {"id": "a", "a": "", "b": ""},
            "text=a+b",
            "no text in 'a' and 'b'; give every document a text that is not blank",
        ),
        ({"id": "a", "text": 5}, None, "field 'text' is 5; wanted a string"),
        ({"id": "a", "text": ["x"]}, None, "field 'text' is ['x']; wanted a string"),
        ({"id": "a", "text": "t", "title": 5}, None, "field 'title' is 5; wanted a string"),
        (
            {"id": "a", "text": "t", "m": {"k": 1}},
            "metadata=m",
            "metadata field 'm' is {'k': 1}; wanted a string, number, boolean, null, or a list of these",
        ),
        (
            {"id": "a", "text": "t", "m": [[1]]},
            "metadata=*",
            "metadata field 'm' is [[1]]; wanted a string, number, boolean, null, or a list of these",
        ),
    ],
)
def test_a_bad_row_is_refused_with_its_place(
    tmp_path: Path, row: dict[str, Any], fields: str | None, message: str
) -> None:
    assert refusal(tmp_path, row, fields) == message


def test_half_a_surrogate_pair_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    for row in (
        {"id": "a\ud800", "text": "t"},
        {"id": "a", "text": "t\udfff"},
        {"id": "a", "text": "t", "title": "\ud800"},
        {"id": "a", "text": "t", "m": "\ud800"},
        {"id": "a", "text": "t", "m": ["\ud800"]},
        {"id": "a", "text": "t", "m\ud800": 1},
    ):
        assert "half of a surrogate pair; wanted text that UTF-8 can hold" in refusal(tmp_path, row)
    assert read_row(tmp_path, {"id": "a", "text": "\U0001f600"}).text == "\U0001f600"


def test_a_number_too_large_for_a_float_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "a", "text": "t", "m": [1e999]}\n')
    with pytest.raises(SourceError, match=r"corpus\.jsonl:1: metadata field 'm' is inf; wanted a finite number"):
        list(read_documents(path))


def test_many_and_long_names_are_cut_in_messages(tmp_path: Path) -> None:
    message = refusal(tmp_path, {f"field{number}": 1 for number in range(30)} | {"x" * 500: 1})
    assert "'field9', 21 more)" in message
    assert len(message) < 250
    assert len(refusal(tmp_path, {"id": "a", "text": ["y" * 10_000]})) < 150


def test_an_optional_field_may_be_missing_here_and_there(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "a"}, {"id": 2, "text": "b", "name": "B", "year": 5}]
    path = write_rows(tmp_path / "corpus.jsonl", *rows)
    options = ReadOptions(fields=FieldMap(title="name", metadata=("year",)))
    assert list(read_documents(path, options)) == [Document("1", "a"), Document("2", "b", "B", {"year": 5})]


def test_an_optional_field_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "corpus.jsonl", {"id": 1, "text": "a", "metadata": {"year": 5}})
    options = ReadOptions(fields=FieldMap.parse("metadata=yaer"), on_error="skip")
    with pytest.raises(SourceError) as caught:
        list(read_documents(path, options))
    assert str(caught.value) == (
        f"{path}: no field 'yaer' in the first 1 rows (the last of them has: 'id', 'text', 'metadata', 'year'); "
        "correct the name in --fields"
    )


def test_an_optional_field_is_looked_for_in_a_thousand_rows(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": number, "text": "t"} for number in range(1_000)]
    options = ReadOptions(fields=FieldMap(metadata=("rare",)))
    late = write_rows(tmp_path / "late.jsonl", *rows, {"id": "last", "text": "t", "rare": 1})
    with pytest.raises(SourceError, match=r"no field 'rare' in the first 1,000 rows"):
        list(read_documents(late, options))
    rows[-1]["rare"] = 1
    in_time = write_rows(tmp_path / "in_time.jsonl", *rows, {"id": "last", "text": "t"})
    assert len(list(read_documents(in_time, options))) == 1_001


def test_skipped_rows_are_counted_by_reason(tmp_path: Path) -> None:
    bad: list[object] = [
        {"id": 1},
        {"id": 2, "text": ""},
        [1],
        {"id": "", "text": "t"},
        {"text": "t"},
        5,
        {"id": 3, "text": 4},
    ]
    path = write_rows(tmp_path / "corpus.jsonl", {"id": "a", "text": "x"}, *bad, {"id": "b", "text": "y"})
    report = ReadReport()
    documents = list(read_documents(path, ReadOptions(on_error="skip"), report))
    assert documents == [Document("a", "x"), Document("b", "y")]
    assert report.documents == 2
    assert report.rows_skipped == 7
    assert report.skipped == {"missing field": 2, "blank text": 1, "not an object": 2, "empty id": 1, "wrong type": 1}
    assert [message.split(": ")[0] for message in report.messages] == [f"{path}:{line}" for line in range(2, 7)]


def test_a_report_is_filled_as_documents_are_taken(tmp_path: Path) -> None:
    report = ReadReport()
    rows = read_documents(
        write_rows(tmp_path / "a.jsonl", {"id": 1, "text": "a"}, {"id": 2, "text": "b"}), report=report
    )
    assert report == ReadReport()
    next(rows)
    assert report.documents == 1
    list(rows)
    assert report.documents == 2
