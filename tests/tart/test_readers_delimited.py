"""CSV and TSV."""

from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tart.documents import Document
from tart.errors import SourceError
from tart.readers import FieldMap, ReadOptions, ReadReport, read_documents

SKIP = ReadOptions(on_error="skip")


def refusal(path: Path, options: ReadOptions | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        list(read_documents(path, options or ReadOptions()))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_csv_with_header_quotes_and_newlines(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_bytes(
        b'\xef\xbb\xbf"id",title,text,year,\r\n1,"T, ""x""","two\r\nlines",1999,\r\n\r\n2,,b,2000,ignored\r\n'
    )
    assert list(read_documents(path)) == [
        Document("1", "two\r\nlines", 'T, "x"', {"year": "1999"}),
        Document("2", "b", "", {"year": "2000"}),
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("corpus.tsv", b"_id\ttext\n1\ta, b\n"),
        ("corpus.TSV", b'_id\ttext\n1\t"a, b"\n'),
        ("corpus.tsv.gz", gzip.compress(b"_id\ttext\n1\ta, b\n")),
        ("corpus.csv.zst", zstandard.compress(b'_id,text\n1,"a, b"')),
    ],
    ids=["plain", "upper-case", "gzip", "zstandard"],
)
def test_tsv_and_compressed_files(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert list(read_documents(path)) == [Document("1", "a, b")]


def test_fields_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_text("key,abstract,body,lang,year\n1,A,B,en,1999\n")
    options = ReadOptions(fields=FieldMap.parse("id=key,text=abstract+body,metadata=year"))
    assert list(read_documents(path, options)) == [Document("1", "A\nB", "", {"year": "1999"})]


@pytest.mark.parametrize(
    ("header", "fields", "message"),
    [
        ("name,text", "", "no column 'id' (found: 'name', 'text'); add it or map another one with --fields id=NAME"),
        ("id,body", "", "no column 'text' (found: 'id', 'body'); add it or map another one with --fields text=NAME"),
        ("id,text", "id=key", "no column 'key' (found: 'id', 'text'); add it or map another one with --fields id=NAME"),
        (
            "id,text",
            "title=t",
            "no column 't' (found: 'id', 'text'); add it or map another one with --fields title=NAME",
        ),
        (
            "id,text",
            "metadata=y",
            "no column 'y' (found: 'id', 'text'); add it or map another one with --fields metadata=NAME",
        ),
    ],
)
def test_a_column_that_is_not_there_is_refused_even_when_rows_are_skipped(
    tmp_path: Path, header: str, fields: str, message: str
) -> None:
    path = tmp_path / "corpus.csv"
    path.write_text(header + "\n1,a\n")
    options = ReadOptions(fields=FieldMap.parse(fields) if fields else FieldMap(), on_error="skip")
    assert refusal(path, options) == f"{path}: {message}"


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_text("\nid,text,a,a\n1,b,c,d\n")
    assert refusal(path, SKIP) == f"{path}:2: column 'a' stands twice in the header; rename one"


def test_bad_rows_are_named_by_the_line_they_start_on(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_bytes(
        b'id,text\n1,"two\nlines"\n2\n3,"x\n\ny",z\n4,\n5,"a"b\n6,ok\n7,"a\ncaf\xe9"\n"",text\n'
        b'8,last\n9,"never closed\n'
    )
    report = ReadReport()
    assert [document.id for document in read_documents(path, SKIP, report)] == ["1", "6", "8"]
    assert report.skipped == {
        "wrong column count": 2,
        "blank text": 1,
        "malformed CSV": 2,
        "bad encoding": 1,
        "empty id": 1,
    }
    assert report.messages[:3] == [
        f"{path}:4: 1 columns in the row that starts '2'; wanted 2 as in the header",
        f"{path}:5: 3 columns in the row that starts '3'; wanted 2 as in the header",
        f"{path}:8: no text in 'text'; give every document a text that is not blank",
    ]
    assert report.messages[3].startswith(f"{path}:9: malformed (',' expected after '\"')")
    assert (
        report.messages[4] == f"{path}:12: byte 0xe9 is not valid utf-8; name the encoding of the file with --encoding"
    )
    assert refusal(path) == report.messages[0]


def test_a_quote_that_is_never_closed_is_named_where_it_opens(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_text('id,text\n1,a\n2,"never closed\n3,c\n')
    assert refusal(path) == (
        f"{path}:3: malformed (unexpected end of data); "
        "wanted fields with quotes in them quoted, and such quotes doubled"
    )


def test_a_header_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_bytes(b"id,text,caf\xe9\n1,a,b\n")
    assert refusal(path, SKIP).startswith(f"{path}:1: byte 0xe9 is not valid utf-8")
    [document] = read_documents(path, ReadOptions(encoding="latin-1"))
    assert document == Document("1", "a", "", {"café": "b"})


def test_large_fields_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_text(f"id,text\n1,{'x' * 300_000}\n")
    assert [len(document.text) for document in read_documents(path)] == [300_000]
    assert csv.field_size_limit() <= sys.maxsize


def test_an_empty_file_and_a_lonely_header_have_no_documents(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_text("")
    assert list(read_documents(path)) == []
    path.write_text("id,text\n")
    assert list(read_documents(path)) == []


values = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
filled = values.filter(lambda text: bool(text.strip()))


@given(
    rows=st.lists(st.tuples(filled, values, filled, values), max_size=5),
    suffix=st.sampled_from(["csv", "tsv"]),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_documents_written_are_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, str]], suffix: str, ends: str
) -> None:
    path = tmp_path_factory.mktemp("round") / f"corpus.{suffix}"
    with path.open("w", encoding="utf-8", newline="") as file:
        # Before Python 3.13 the writer quotes a lone carriage return only if it is part of the line end.
        delimiter = "," if suffix == "csv" else "\t"
        writer = csv.writer(file, delimiter=delimiter, lineterminator=ends, quoting=csv.QUOTE_ALL)
        writer.writerow(["id", "title", "text", "note"])
        writer.writerows(rows)
    want = [Document(id_, text, title, {"note": note}) for id_, title, text, note in rows]
    assert list(read_documents(path)) == want
