from __future__ import annotations

import gc
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from tart import Document, Encoder
from tart.errors import IndexFolderError
from tart_index import BuildOptions, Corpus, IndexFolder, build_index


@pytest.fixture
def index(tmp_path: Path, counting: Encoder, documents: list[Document]) -> Path:
    corpus = Corpus.from_documents("documents", lambda: iter(documents))
    build_index(corpus, tmp_path / "i", counting, BuildOptions(part_size=8))
    return tmp_path / "i"


def part_file(index: Path, name: str) -> Path:
    return index / "parts" / IndexFolder.open(index).manifest.parts[1].name / name


def test_no_folder_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(IndexFolderError, match="no such folder; build one with: tart index build"):
        IndexFolder.open(tmp_path / "nothing")


def test_a_folder_of_something_else_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(IndexFolderError, match=r"it has no manifest\.json"):
        IndexFolder.open(tmp_path)


def test_a_missing_file_is_named(index: Path) -> None:
    file = part_file(index, "vectors.npy")
    file.unlink()
    with pytest.raises(IndexFolderError, match=r"vectors\.npy: No such file"):
        IndexFolder.open(index)


@pytest.mark.parametrize("name", ["vectors.npy", "documents.arrow", "columns.arrow"])
def test_a_truncated_file_is_refused_when_opened(index: Path, name: str) -> None:
    file = part_file(index, name)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(IndexFolderError, match="the manifest says"):
        IndexFolder.open(index)


@pytest.mark.parametrize("name", ["vectors.npy", "documents.arrow", "ids.npy", "contents.npy", "columns.arrow"])
def test_every_flipped_byte_is_refused_or_found_by_verify(index: Path, name: str) -> None:
    file = part_file(index, name)
    content = file.read_bytes()
    positions = random.Random(0).sample(range(len(content)), 60)
    for position in positions:
        changed = bytearray(content)
        changed[position] ^= 0x40
        file.write_bytes(bytes(changed))
        with pytest.raises(IndexFolderError):
            list(IndexFolder.open(index).verify())


def test_vectors_of_another_shape_are_refused(index: Path) -> None:
    file = part_file(index, "vectors.npy")
    size = file.stat().st_size
    np.save(file, np.zeros((16, 16), dtype=np.float32))
    assert file.stat().st_size == size
    with pytest.raises(IndexFolderError, match=r"found \(16, 16\) float32; wanted \(8, 32\) float32"):
        IndexFolder.open(index)


def test_an_index_can_be_moved(index: Path, tmp_path: Path, documents: list[Document]) -> None:
    shutil.move(index, tmp_path / "elsewhere")
    folder = IndexFolder.open(tmp_path / "elsewhere")
    assert list(folder.documents()) == documents
    assert len(list(folder.verify())) == 3


def test_vectors_are_mapped_and_not_read(index: Path) -> None:
    folder = IndexFolder.open(index)
    mapped = [file for line in Path("/proc/self/maps").read_text().splitlines() for file in line.split()[5:]]
    names = [str((index / "parts" / part.name / "vectors.npy").resolve()) for part in folder.manifest.parts]
    assert set(names) <= set(mapped)
    assert not any(part.flags.owndata or part.flags.writeable for part in folder.vectors)


def test_an_open_index_holds_no_file_handles(index: Path) -> None:
    # What built the index may still wait to be collected with its own handles.
    gc.collect()
    folder = IndexFolder.open(index)
    assert folder.find("d3") == 3
    held = [os.path.realpath(handle) for handle in Path("/proc/self/fd").iterdir()]
    assert not [file for file in held if file.startswith(str(index.resolve()))]


def test_an_array_in_another_order_is_refused(index: Path) -> None:
    file = part_file(index, "vectors.npy")
    np.save(file, np.zeros((8, 32), dtype=np.float32, order="F"))
    with pytest.raises(IndexFolderError, match="columns one after the other"):
        IndexFolder.open(index)
