from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tart import Document, Encoder
from tart.errors import IndexBusyError, IndexFolderError, IndexModelError
from tart_index import BuildOptions, Corpus, IndexFolder, build_index
from tart_index.changes import add_documents, delete_documents
from tart_index.merging import merge_small_parts, small_runs
from tart_index.writer import IndexWriter
from tests.tiny_models import tiny_encoder


def corpus_of(documents: Sequence[Document]) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


def counts(path: Path) -> list[int]:
    """Documents by part, deleted ones not counted."""
    manifest = IndexFolder.open(path).manifest
    deleted = {name: deletion.count for name, deletion in manifest.deletions.items()}
    return [part.count - deleted.get(part.name, 0) for part in manifest.parts]


@pytest.fixture
def grown(tmp_path: Path, counting: Encoder, documents: list[Document]) -> Path:
    """Twelve documents in parts of four, one of them deleted, and five parts of one document each."""
    build_index(corpus_of(documents[:12]), tmp_path / "i", counting, BuildOptions(part_size=4))
    for document in documents[12:17]:
        add_documents(tmp_path / "i", corpus_of([document]), counting)
    delete_documents(tmp_path / "i", [documents[0].id])
    return tmp_path / "i"


def test_small_parts_in_a_row_become_full_ones_and_nothing_else_changes(
    grown: Path, counting: Encoder, documents: list[Document]
) -> None:
    assert counts(grown) == [3, 4, 4, 1, 1, 1, 1, 1]
    before = IndexFolder.open(grown)
    result = merge_small_parts(grown, part_size=4, most=3)
    after = IndexFolder.open(grown)
    assert (result.manifest.version, after.manifest.fingerprint) == (8, result.manifest.fingerprint)
    assert counts(grown) == [3, 4, 4, 4, 1]
    assert [part.name for part in after.manifest.parts[:3]] == [part.name for part in before.manifest.parts[:3]]
    assert list(after.documents()) == documents[1:17]
    found = np.stack([after.vector(row) for row in after.rows()])
    assert np.array_equal(found, counting.encode_documents(documents[1:17]))
    assert len(list(after.verify())) == 5


def test_few_small_parts_are_left_alone(grown: Path) -> None:
    assert small_runs(IndexFolder.open(grown).manifest, part_size=4, most=5) == []
    assert merge_small_parts(grown, part_size=4, most=5).manifest.version == 7


def test_runs_are_found_between_large_parts(grown: Path) -> None:
    manifest = IndexFolder.open(grown).manifest
    assert small_runs(manifest, part_size=4, most=4) == [range(3, 8)]
    assert small_runs(manifest, part_size=8, most=1) == [range(3, 8)]
    assert small_runs(manifest, part_size=9, most=0) == [range(8)]


def test_a_part_of_which_half_is_deleted_is_small(grown: Path, documents: list[Document]) -> None:
    delete_documents(grown, [document.id for document in documents[4:11]])
    assert counts(grown) == [3, 1, 1, 1, 1, 1, 1]
    merge_small_parts(grown, part_size=4, most=2)
    assert counts(grown) == [3, 4, 2]
    folder = IndexFolder.open(grown)
    assert list(folder.ids()) == [document.id for document in [*documents[1:4], *documents[11:17]]]
    assert not set(folder.manifest.deletions) - {folder.manifest.parts[0].name}


def test_a_damaged_part_is_not_copied(grown: Path) -> None:
    part = IndexFolder.open(grown).manifest.parts[-1]
    file = grown / "parts" / part.name / "vectors.npy"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(IndexFolderError, match="its bytes have changed"):
        merge_small_parts(grown, part_size=4, most=3)
    assert IndexFolder.open(grown).manifest.version == 7


def test_a_second_writer_and_another_model_are_told_apart(
    grown: Path, documents: list[Document], tmp_path: Path
) -> None:
    with IndexWriter.lock(grown), pytest.raises(IndexBusyError, match="another process"):
        merge_small_parts(grown)
    other = Encoder.load(str(tiny_encoder(tmp_path / "tiny")), dtype="float32")
    with pytest.raises(IndexModelError, match="was built with model"):
        add_documents(grown, corpus_of(documents), other)
