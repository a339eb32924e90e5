"""Trees of text and Markdown files."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tart.documents import Document
from tart.errors import SourceError
from tart.readers import ReadOptions, ReadReport, read_documents


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_tree_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "b/z.txt": "z",
            "b/a.rst": "Title\n=====\n",
            "b-x.md": "x",
            "b.TXT": "b",
            "a.markdown": "# The *title* ##\nbody\n",
            ".hidden/no.md": "no",
            "b/.no.md": "no",
            "b/no.json": "{}",
            "c/.d/no.txt": "no",
        },
    )
    assert list(read_documents(tmp_path)) == [
        Document(
            "a.markdown", "# The *title* ##\nbody\n", "The *title*", {"path": "a.markdown", "suffix": ".markdown"}
        ),
        Document("b-x.md", "x", "b-x", {"path": "b-x.md", "suffix": ".md"}),
        Document("b.TXT", "b", "b", {"path": "b.TXT", "suffix": ".txt"}),
        Document("b/a.rst", "Title\n=====\n", "a", {"path": "b/a.rst", "suffix": ".rst"}),
        Document("b/z.txt", "z", "z", {"path": "b/z.txt", "suffix": ".txt"}),
    ]


@pytest.mark.parametrize(
    ("markdown", "title"),
    [
        ("text\n\n## Second level\n# First\n", "Second level"),
        ("```\n# comment\n```\n# Real\n", "Real"),
        ("~~~sh\n# comment\n```\n# comment\n~~~\n# Real\n", "Real"),
        ("---\ntitle: x\n# comment\n---\n\n# Real\n", "Real"),
        ("---\n# Real\n", "Real"),
        ("Underlined\n===\n# Later\n", "Underlined"),
        ("#hashtag\n#\n    # code\n", "file"),
        ("#######  seven\n", "file"),
        ("   # Indented\n", "Indented"),
        ("# C# and C#\n", "C# and C#"),
        ("plain", "file"),
    ],
)
def test_the_title_is_the_first_heading(tmp_path: Path, markdown: str, title: str) -> None:
    [document] = read_documents(write_files(tmp_path, {"file.md": markdown}) / "file.md")
    assert document.title == title


def test_line_ends_and_byte_order_marks(tmp_path: Path) -> None:
    (tmp_path / "file.md").write_bytes(b"\xef\xbb\xbf# Title\r\nbody\r\n")
    metadata: dict[str, str] = {"path": "file.md", "suffix": ".md"}
    assert list(read_documents(tmp_path)) == [Document("file.md", "# Title\nbody\n", "Title", {**metadata})]


def test_single_files(tmp_path: Path) -> None:
    write_files(tmp_path, {"a/notes.txt": "text", "a/LICENSE": "free"})
    metadata: dict[str, str] = {"path": "notes.txt", "suffix": ".txt"}
    assert list(read_documents(tmp_path / "a/notes.txt")) == [Document("notes.txt", "text", "notes", {**metadata})]
    [document] = read_documents(tmp_path / "a/LICENSE", ReadOptions(layout="text"))
    assert (document.id, document.title, document.text) == ("LICENSE", "LICENSE", "free")


def test_compressed_text(tmp_path: Path) -> None:
    (tmp_path / "a.md.gz").write_bytes(gzip.compress(b"# Title\n"))
    metadata: dict[str, str] = {"path": "a.md.gz", "suffix": ".md"}
    assert list(read_documents(tmp_path)) == [Document("a.md.gz", "# Title\n", "Title", {**metadata})]
    (tmp_path / "a.md.gz").write_bytes(gzip.compress(b"# Title\n")[:-3])
    with pytest.raises(SourceError, match=r"a\.md\.gz: the compressed data are damaged or cut short"):
        list(read_documents(tmp_path))


def test_bad_files_are_named_and_can_be_skipped(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.txt": "a", "blank.txt": " \n", "z.txt": "z"})
    (tmp_path / "latin.txt").write_bytes(b"one\ntwo\ncaf\xe9\n")
    report = ReadReport()
    assert [row.id for row in read_documents(tmp_path, ReadOptions(on_error="skip"), report)] == ["a.txt", "z.txt"]
    assert report.messages == [
        f"{tmp_path / 'blank.txt'}:1: the file has no text; fill it or take it out of the corpus",
        f"{tmp_path / 'latin.txt'}:3: byte 0xe9 is not valid utf-8; name the encoding of the file with --encoding",
    ]
    assert report.skipped == {"blank text": 1, "bad encoding": 1}
    with pytest.raises(SourceError, match=r"blank\.txt:1: the file has no text"):
        list(read_documents(tmp_path))
    [document] = read_documents(tmp_path / "latin.txt", ReadOptions(encoding="latin-1"))
    assert document.text == "one\ntwo\ncafé\n"


def test_a_file_name_that_is_no_text_is_a_bad_row(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("a")
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(SourceError, match="is not valid UTF-8 and gives no id; rename the file") as caught:
        list(read_documents(tmp_path))
    str(caught.value).encode("utf-8")


def test_a_line_feed_in_a_file_name_does_not_break_the_message(tmp_path: Path) -> None:
    write_files(tmp_path, {"a\nb.txt": ""})
    with pytest.raises(SourceError) as caught:
        list(read_documents(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}/a\\nb.txt:1: the file has no text")


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write_files(tmp_path, {"a/one.txt": "1"})
    (tmp_path / "a/loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a/two.txt").symlink_to(tmp_path / "a/one.txt")
    assert [document.id for document in read_documents(tmp_path)] == ["a/one.txt", "a/two.txt"]


def test_a_tree_is_streamed(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{number:03}.txt": "t" for number in range(20)})
    documents = read_documents(tmp_path)
    next(documents)
    (tmp_path / "010.txt").write_text("changed since")
    assert {document.id: document.text for document in documents}["010.txt"] == "changed since"
