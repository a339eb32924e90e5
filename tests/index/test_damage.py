"""Damaged files: refused or found by verify, whatever byte it is, and never a crash."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tart import Document, Encoder
from tart.errors import IndexFolderError
from tart_index import BuildOptions, Corpus, IndexFolder, build_index
from tart_index.changes import add_documents, delete_documents
from tart_index.cli import verify
from tart_index.keys import KeyTable, id_digest
from tart_index.table import DocumentTable
from tart_index.versions import restore


@pytest.fixture
def index(tmp_path: Path, counting: Encoder, documents: list[Document]) -> Path:
    """Two versions: twenty documents in parts of eight, and all but three of them."""
    corpus = Corpus.from_documents("documents", lambda: iter(documents))
    build_index(corpus, tmp_path / "i", counting, BuildOptions(part_size=8))
    delete_documents(tmp_path / "i", ["d0", "d16", "d17", "d18", "d19"])
    return tmp_path / "i"


def verified(path: Path) -> str:
    """What `tart index verify` says."""
    result = CliRunner().invoke(verify, [str(path)])
    return result.output if result.exception is None else str(result.exception)


def test_a_damaged_byte_of_the_documents_is_refused_or_read_but_never_crashes(
    tmp_path: Path, documents: list[Document]
) -> None:
    file = tmp_path / "documents"
    DocumentTable.write(file, documents[:2], np.zeros(2, dtype=np.bool_))
    content = file.read_bytes()
    for position in range(0, len(content), 5):
        damaged = bytearray(content)
        damaged[position] ^= random.Random(position).choice([0x01, 0x04, 0x80])
        file.write_bytes(bytes(damaged))
        try:
            table = DocumentTable.open(file)
            for row in range(min(2, len(table))):
                assert isinstance(table[row], Document)
                table.truncated(row)
            table.column("metadata").to_pylist()
        except IndexFolderError:
            pass


def test_an_offset_that_points_out_of_the_file_is_not_followed(tmp_path: Path, documents: list[Document]) -> None:
    file = tmp_path / "documents"
    DocumentTable.write(file, documents[:3], np.zeros(3, dtype=np.bool_))
    content = file.read_bytes()
    offsets = np.cumsum([0, *(len(document.text) for document in documents[:3])]).astype("<i8").tobytes()
    assert content.count(offsets) == 1
    for wrong in (1 << 40, -(1 << 40)):
        outside = np.frombuffer(offsets, "<i8").copy()
        outside[1] = wrong
        file.write_bytes(content.replace(offsets, outside.tobytes()))
        table = DocumentTable.open(file)
        with pytest.raises(IndexFolderError, match=r"row 1 is damaged \(a text lies outside of the file\)"):
            table[1]
        with pytest.raises(IndexFolderError, match="is damaged"):
            table.column("text")
        assert table[2] == documents[2]


def test_an_id_whose_row_is_not_there_is_refused(tmp_path: Path) -> None:
    KeyTable.of([id_digest(name) for name in "abc"]).save(tmp_path / "ids.npy")
    keys = np.load(tmp_path / "ids.npy")
    keys[2] = 7
    np.save(tmp_path / "ids.npy", keys)
    with pytest.raises(IndexFolderError, match=r"ids\.npy: is damaged"):
        list(KeyTable.open(tmp_path / "ids.npy", 3).rows(id_digest("b")))


def manifest(index: Path) -> Path:
    return index / "manifest.json"


def published(index: Path) -> Path:
    return index / "versions" / "000002.json"


def older(index: Path) -> Path:
    return index / "versions" / "000001.json"


def older_part(index: Path) -> Path:
    """Vectors of the part that only the older version has."""
    [name] = {p.name for p in (index / "parts").iterdir()} - {p.name for p in IndexFolder.open(index).manifest.parts}
    return index / "parts" / name / "vectors.npy"


def card(index: Path) -> Path:
    return index / "parts" / IndexFolder.open(index).manifest.parts[0].name / "part.json"


@pytest.mark.parametrize("which", [manifest, published, older, older_part, card])
def test_verify_finds_every_byte_of_every_version(index: Path, which: Callable[[Path], Path]) -> None:
    assert verified(index).endswith("; sound too: version 1\n")
    file = which(index)
    content = file.read_bytes()
    for position in random.Random(0).sample(range(len(content)), 12):
        file.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        assert "sound" not in verified(index)
    for other in (content[:-1], content + b" "):
        file.write_bytes(other)
        assert "sound" not in verified(index)
    file.unlink()
    # An older version that is not there is one that was pruned.
    assert ("sound" in verified(index)) == (which is older)


@pytest.mark.parametrize("name", ["ids.npy", "contents.npy", "documents.arrow", "vectors.npy"])
def test_a_change_of_a_damaged_index_is_refused_or_right(
    index: Path, tmp_path: Path, counting: Encoder, documents: list[Document], name: str
) -> None:
    """Damage does not spread into a new version whose checksums would then be right."""
    file = index / "parts" / IndexFolder.open(index).manifest.parts[0].name / name
    content = file.read_bytes()
    new = [Document("d3", "merge"), Document("d20", documents[5].text, documents[5].title), documents[0]]
    wanted = {document.id for document in [*documents[1:16], *new]} - {"d4", "d12"}
    for position in random.Random(0).sample(range(len(content)), 12):
        shutil.rmtree(tmp_path / "changed", ignore_errors=True)
        file.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        shutil.copytree(index, tmp_path / "changed")
        try:
            add_documents(tmp_path / "changed", Corpus.from_documents("new", lambda: new), counting, "replace")
            delete_documents(tmp_path / "changed", ["d4", "d12"])
        except IndexFolderError:
            continue
        folder = IndexFolder.open(tmp_path / "changed")
        assert len(folder) == len(wanted)
        fresh = [row for row in folder.rows() if row >= folder.starts[-2]]
        assert [folder.document(row) for row in fresh] == new
        held = np.stack([folder.vector(row) for row in fresh])
        assert np.array_equal(held, counting.encode_documents(new))


def test_white_space_in_a_manifest_is_found(index: Path) -> None:
    file = older(index)
    file.write_text(file.read_text().replace("\n", "\n\n", 1))
    assert "its bytes have changed since it was written; its values have not" in verified(index)
    assert restore(index, 1).count == 20


def test_a_part_that_contradicts_its_manifest_is_named(index: Path) -> None:
    file = card(index)
    file.write_text(file.read_text().replace('"truncated": 0', '"truncated": 1'))
    assert "part.json: contradicts the manifest; run the build again" in verified(index)
