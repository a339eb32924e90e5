"""JSON lines: plain, compressed, in other encodings, from standard input, and malformed."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tart.documents import Document, MetadataValue
from tart.errors import SourceError
from tart.readers import ReadOptions, ReadReport, read_documents

GOOD = '{"id": "g", "text": "good"}\n'


def refusal(path: Path, options: ReadOptions | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        list(read_documents(path, options or ReadOptions()))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "not JSON (Expecting property name enclosed in double quotes at column"),
        (b'{"id": "a"} x', "not JSON (Extra data at column 13); wanted one JSON object on the line"),
        (b"id,text", "not JSON (Expecting value at column 1); wanted one JSON object on the line"),
        (b"[1, 2]", "found [1, 2]; wanted one JSON object on the line"),
        (b"null", "found null; wanted one JSON object on the line"),
        (b'"text"', "found 'text'; wanted one JSON object on the line"),
        (b'{"id": "a", "text": "t", "s": NaN}', "NaN is no JSON value; write null or a finite number"),
        (b'{"id": "a", "text": "t", "s": [-Infinity]}', "-Infinity is no JSON value; write null or a finite number"),
        (b'{"id": ' + b"1" * 5_000 + b', "text": "t"}', "not JSON that can be read (Exceeds the limit"),
        (b'{"a": ' + b"[" * 200_000, "not JSON"),
        (b'{"id": "\xe9", "text": "t"}', "byte 0xe9 is not valid utf-8; name the encoding of the file with --encoding"),
        (b'{"id": "a", "text": "t"', "not JSON (Expecting ',' delimiter at column"),
    ],
)
def test_a_bad_line_is_named_and_can_be_skipped(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(GOOD.encode() + b"\n" + line + b"\n" + GOOD.encode())
    assert refusal(path).startswith(f"{path}:3: {problem}")
    report = ReadReport()
    documents = list(read_documents(path, ReadOptions(on_error="skip"), report))
    assert documents == [Document("g", "good")] * 2
    assert report.rows_skipped == 1
    assert report.messages[0].startswith(f"{path}:3: {problem}")


def test_blank_lines_crlf_and_a_missing_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "corpus.ndjson"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1, "text": "a"}\r\n\r\n  \n{"id": 2, "text": "b\\r\\n"}')
    assert list(read_documents(path)) == [Document("1", "a"), Document("2", "b\r\n")]


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": 1, "text": "a\u2028b\x85c"}\n{"id": 2, "text": 3}\n', encoding="utf-8")
    assert refusal(path).startswith(f"{path}:2: ")
    assert next(read_documents(path)).text == "a\u2028b\x85c"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "é", "text": "ünï"}\n{"id": "2", "text": "b"}\n', encoding=encoding)
    assert list(read_documents(path, ReadOptions(encoding=encoding))) == [Document("é", "ünï"), Document("2", "b")]


def test_bytes_of_another_encoding_are_named_even_behind_many_lines(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    lines = [json.dumps({"id": str(number), "text": "t"}) for number in range(3_000)]
    lines[2_500] = '{"id": "x", "text": "caf\xe9"}'
    path.write_text("\n".join(lines), encoding="latin-1")
    problem = "byte 0xe9 is not valid utf-8; name the encoding of the file with --encoding"
    assert refusal(path) == f"{path}:2501: {problem}"
    assert len(list(read_documents(path, ReadOptions(on_error="skip")))) == 2_999
    assert len(list(read_documents(path, ReadOptions(encoding="latin-1")))) == 3_000


def test_utf_16_cut_in_a_character_is_named(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(GOOD.encode("utf-16-le") + GOOD.encode("utf-16-le")[:-1])
    assert "corpus.jsonl:2: byte 0x0a is not valid utf-16-le" in refusal(path, ReadOptions(encoding="utf-16-le"))


def test_a_json_file_of_lines_is_read_and_one_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.json"
    path.write_text(GOOD * 2)
    assert list(read_documents(path)) == [Document("g", "good")] * 2
    path.write_text('\n [\n{"id": "1", "text": "a"}]')
    assert refusal(path).startswith(f"{path}: is one JSON array, which cannot be streamed; make it JSON lines")
    packed = tmp_path / "corpus.json.gz"
    packed.write_bytes(gzip.compress(b"[]"))
    assert refusal(packed).startswith(f"{packed}: is one JSON array")


def compressed(path: Path, data: bytes) -> bytes:
    return gzip.compress(data) if path.suffix == ".gz" else zstandard.compress(data)


@pytest.mark.parametrize("name", ["corpus.jsonl.gz", "corpus.jsonl.zst", "corpus.JSONL.GZ", "corpus.ndjson.zst"])
def test_compressed_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = [Document(str(number), f"text {number}") for number in range(20_000)]
    lines = "".join(json.dumps({"id": row.id, "text": row.text}) + "\n" for row in rows).encode()
    data = zstandard.compress(lines) if name.endswith("zst") else gzip.compress(lines)
    path.write_bytes(data)
    assert list(read_documents(path)) == rows


@pytest.mark.parametrize("name", ["corpus.jsonl.gz", "corpus.jsonl.zst"])
def test_members_and_frames_are_read_one_after_another(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"".join(compressed(path, GOOD.encode()) for _ in range(3)))
    assert list(read_documents(path)) == [Document("g", "good")] * 3
    path.write_bytes(b"")
    assert list(read_documents(path)) == []


@pytest.mark.parametrize("name", ["corpus.jsonl.gz", "corpus.jsonl.zst"])
def test_damaged_compressed_files_are_refused_even_when_rows_are_skipped(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    skip = ReadOptions(on_error="skip")
    lines = "".join(json.dumps({"id": number, "text": f"{number * 7919}"}) + "\n" for number in range(50_000))
    whole = compressed(path, lines.encode())
    damages = (whole[:-5], whole + b"garbage behind the end", b"no compressed data at all", whole[:2000] + whole[2100:])
    for damage in damages:
        path.write_bytes(damage)
        assert refusal(path, skip).startswith(f"{path}: the compressed data are damaged or cut short (")
    path.write_bytes(whole[: len(whole) // 2])
    assert [document.id for document in islice(read_documents(path), 3)] == ["0", "1", "2"]


class EndlessBytes(io.RawIOBase):
    """Lines without end, and a count of the bytes that were taken."""

    def __init__(self, lines: Iterator[str]) -> None:
        super().__init__()
        self.lines = lines
        self.ready = b""
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while len(self.ready) < len(buffer):
            self.ready += next(self.lines).encode()
        part, self.ready = self.ready[: len(buffer)], self.ready[len(buffer) :]
        buffer[:] = part
        self.taken += len(part)
        return len(part)


def test_standard_input_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = EndlessBytes(repeat('{"id": 0, "text": "t"}\n'))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(endless)))
    assert list(islice(read_documents("-"), 10)) == [Document("0", "t")] * 10
    assert endless.taken <= 32_768
    assert not sys.stdin.buffer.closed


def test_csv_from_standard_input_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    def lines() -> Iterator[str]:
        yield "id,text\n"
        while True:
            yield '7,"two\nlines"\n'

    endless = EndlessBytes(lines())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(endless)))
    assert list(islice(read_documents("-", ReadOptions(layout="csv")), 10)) == [Document("7", "two\nlines")] * 10
    assert endless.taken <= 32_768


def test_standard_input_is_named_in_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"{}\n")))
    with pytest.raises(SourceError, match="<stdin>:1: no field 'id'"):
        list(read_documents("-"))
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match="no standard input"):
        list(read_documents("-"))
    with pytest.raises(SourceError, match="layout parquet cannot be read from standard input"):
        read_documents("-", ReadOptions(layout="parquet"))


def test_reading_is_lazy_and_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text(GOOD * 10 + "broken\n")
    documents = read_documents(path)
    assert list(islice(documents, 10)) == [Document("g", "good")] * 10
    del documents  # A file left open would warn here, and warnings are errors.


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
names = st.text(min_size=1).filter(lambda name: name not in {"id", "_id", "title", "text", "metadata"})
metadata: st.SearchStrategy[dict[str, MetadataValue]] = st.dictionaries(names, scalars | st.lists(scalars, max_size=3))
filled = st.text(min_size=1).filter(lambda text: bool(text.strip()))
documents = st.builds(Document, id=filled, text=filled, title=st.text(), metadata=metadata)


@given(rows=st.lists(documents, max_size=5), ascii_only=st.booleans(), inner=st.booleans())
def test_documents_written_are_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Document], ascii_only: bool, inner: bool
) -> None:
    path = tmp_path_factory.mktemp("round") / "corpus.jsonl"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            extra = {"metadata": row.metadata} if inner else row.metadata
            value = {"id": row.id, "title": row.title, "text": row.text, **extra}
            file.write(json.dumps(value, ensure_ascii=ascii_only) + "\n")
    assert list(read_documents(path)) == rows
