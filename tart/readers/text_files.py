"""Text and Markdown files: every file is a document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tart.documents import Document
from tart.readers.lines import COMPRESSIONS, bad_byte_problem, read_bytes
from tart.readers.rows import BadRow, Placed
from tart.readers.tree import files_below, undecodable_name

MARKDOWN = (".md", ".markdown")
TEXT_SUFFIXES = (".txt", *MARKDOWN, ".rst")

_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}=+[ \t]*$")


def bare_name(path: Path) -> Path:
    """A path without the suffix of a compression."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def text_documents(root: Path, encoding: str) -> Iterator[Placed | BadRow]:
    """Makes each text file below a folder a document, or a single file whatever its name.

    Raises:
        SourceError: A file or folder cannot be read.
    """
    if not root.is_dir():
        yield _document(root, root.name, encoding)
        return
    for path in files_below(root):
        if bare_name(path).suffix.lower() in TEXT_SUFFIXES:
            yield _document(path, path.relative_to(root).as_posix(), encoding)


def _document(path: Path, name: str, encoding: str) -> Placed | BadRow:
    """The document of one file; `name` is its path below the root."""
    undecodable = undecodable_name(path, name)
    if undecodable is not None:
        return undecodable
    data = read_bytes(path)
    try:
        text = data.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(encoding, "replace").count("\n") + 1
        return BadRow(path, line, "bad encoding", bad_byte_problem(data[error.start], encoding))
    if not text.strip():
        return BadRow(path, 1, "blank text", "the file has no text; fill it or take it out of the corpus")
    bare = bare_name(path)
    title = (_first_heading(text) if bare.suffix.lower() in MARKDOWN else "") or bare.stem
    document = Document(id=name, text=text, title=title, metadata={"path": name, "suffix": bare.suffix.lower()})
    return Placed(path, 1, document)


def _first_heading(markdown: str) -> str:
    """The text of the first heading outside fenced code and front matter; empty where there is none."""
    fence, previous = "", ""
    lines = markdown.split("\n")
    for line in lines[_front_matter(lines) :]:
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark.group(1).startswith(fence) else fence
            continue
        if mark:
            fence = mark.group(1)
            continue
        heading = _HEADING.match(line)
        if heading and heading.group(1):
            return heading.group(1)
        if previous.strip() and _UNDERLINE.match(line):
            return previous.strip()
        previous = line
    return ""


def _front_matter(lines: list[str]) -> int:
    """How many lines the YAML block between `---` lines at the start takes."""
    if lines[0].rstrip() != "---":
        return 0
    ends = (number for number, line in enumerate(lines[1:], start=2) if line.rstrip() in {"---", "..."})
    return next(ends, 0)
