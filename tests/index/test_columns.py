from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tart import Document, Encoder
from tart.errors import IndexFolderError
from tart_index import BuildOptions, Corpus, IndexFolder, build_index
from tart_index.columns import MetadataColumns
from tart_index.dates import instant
from tart_index.filter_mask import filter_mask
from tart_index.filters import Comparison


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00", 0),
        ("1970-01-01 00:00:01", 1_000_000),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T00:00:00,1234567Z", 123_456),
        ("1969-12-31T23:59:59.999999", -1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00-0130", 5_400_000_000),
        ("2024-02-29", 1_709_164_800_000_000),
        ("2023-02-29", None),
        ("1970-01", None),
        ("1970", None),
        ("19700101", None),
        ("1970-01-01T24:00", None),
        ("1970-01-01T00:00:60", None),
        ("1970-01-01T00", None),
        ("1970-01-01Z", None),
        ("1970-01-01T00:00+24:00", None),
        ("1970-01-01T00:00+01:60", None),
        (" 1970-01-01", None),
        ("1970-01-01\n", None),
        ("١٩٧٠-01-01", None),
        ("0000-01-01", None),
    ],
)
def test_which_texts_are_dates(text: str, wanted: int | None) -> None:
    assert instant(text) == wanted


@pytest.fixture
def columns_file(tmp_path: Path) -> Iterator[Path]:
    rows = [{"k": value} for value in (1, 0.5, "a", "2020-01-01", True, None, 10**30, [1, 2])]
    MetadataColumns.write(tmp_path / "c", [Document(str(n), "x", metadata=row) for n, row in enumerate(rows)])
    return tmp_path / "c"


def test_damaged_columns_never_mislead_nor_crash(columns_file: Path) -> None:
    """Whatever byte is damaged, a filter is refused or answered; verify finds it by its checksum."""
    content = columns_file.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x41
        columns_file.write_bytes(bytes(damaged))
        try:
            opened: Any = SimpleNamespace(columns=[MetadataColumns.open(columns_file, 8)])
            for value in (1, "a"):
                filter_mask(opened, Comparison("gte", "k", value))
        except IndexFolderError:
            pass


def test_columns_of_more_rows_than_the_part_are_refused(columns_file: Path) -> None:
    with pytest.raises(IndexFolderError, match="is damaged"):
        MetadataColumns.open(columns_file, 7).check()


def test_damaged_columns_are_written_again_without_embedding(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    corpus = Corpus.from_documents("documents", lambda: iter(documents))
    result = build_index(corpus, tmp_path / "i", counting, BuildOptions(part_size=8))
    file = tmp_path / "i" / "parts" / result.manifest.parts[1].name / "columns.arrow"
    sound = file.read_bytes()
    middle = len(sound) // 2
    file.write_bytes(sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :])
    assert build_index(corpus, tmp_path / "i", counting, BuildOptions(part_size=8)).embedded == 0
    assert file.read_bytes() == sound
    assert len(list(IndexFolder.open(tmp_path / "i").verify())) == 3
