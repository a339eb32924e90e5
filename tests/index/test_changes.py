from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from tart import Document, Encoder
from tart.errors import IndexFolderError, SourceError
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, SearchRequest, build_index
from tart_index.changes import add_documents, compact, delete_documents
from tart_index.versions import difference, restore, snapshot, versions
from tart_index.writer import IndexWriter
from tests.index.changing import ChangingIndex
from tests.index.crashes import every_crash

SMALL = BuildOptions(part_size=4)


def corpus_of(documents: Sequence[Document]) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


def ids(path: Path) -> list[str]:
    return list(IndexFolder.open(path).ids())


@pytest.fixture
def index(tmp_path: Path, counting: Encoder, documents: list[Document]) -> Path:
    """Ten documents in parts of four."""
    build_index(corpus_of(documents[:10]), tmp_path / "i", counting, SMALL)
    return tmp_path / "i"


def changed(document: Document, text: str = "other words") -> Document:
    return Document(document.id, text, document.title, document.metadata)


def test_adding_appends(index: Path, counting: Encoder, documents: list[Document]) -> None:
    result = add_documents(index, corpus_of(documents[10:]), counting, part_size=4)
    assert (result.added, result.embedded, result.manifest.version) == (10, 10, 2)
    folder = IndexFolder.open(index)
    assert list(folder.documents()) == documents
    assert np.array_equal(np.stack([folder.vector(row) for row in folder.rows()]), counting.encode_documents(documents))
    assert len(list(folder.verify())) == 6


def test_what_is_there_word_for_word_is_left_alone(index: Path, counting: Encoder, documents: list[Document]) -> None:
    result = add_documents(index, corpus_of(documents[:10]), counting)
    assert (result.added, result.unchanged, result.embedded, result.manifest.version) == (0, 10, 0, 1)


def test_an_id_that_is_there_is_refused_skipped_or_replaced(
    index: Path, counting: Encoder, documents: list[Document]
) -> None:
    new = [documents[10], changed(documents[3])]
    with pytest.raises(SourceError, match=r"the id 'd3' is in .* already, with another content"):
        add_documents(index, corpus_of(new), counting)
    assert ids(index) == [document.id for document in documents[:10]]
    skipped = add_documents(index, corpus_of(new), counting, "skip")
    assert (skipped.added, skipped.unchanged) == (1, 1)
    replaced = add_documents(index, corpus_of(new), counting, "replace")
    assert (replaced.replaced, replaced.unchanged, replaced.embedded) == (1, 1, 1)
    found = {document.id: document for document in IndexFolder.open(index).documents()}
    assert found["d3"] == new[1]
    assert len(found) == 11


def test_changed_metadata_costs_no_embedding(index: Path, counting: Encoder, documents: list[Document]) -> None:
    new = Document("d3", documents[3].text, documents[3].title, {"number": -1})
    result = add_documents(index, corpus_of([new]), counting, "replace")
    assert (result.replaced, result.embedded) == (1, 0)
    folder = IndexFolder.open(index)
    row = folder.find("d3")
    assert row is not None
    assert folder.document(row) == new
    assert np.array_equal(folder.vector(row), counting.encode_documents([new])[0])


def test_deleted_documents_are_not_found(index: Path, counting: Encoder, documents: list[Document]) -> None:
    result = delete_documents(index, ["d0", "d5", "d5", "nothing"])
    assert (result.deleted, result.not_found, result.manifest.count) == (2, 1, 8)
    folder = IndexFolder.open(index)
    assert ids(index) == ["d1", "d2", "d3", "d4", "d6", "d7", "d8", "d9"]
    assert folder.find("d5") is None
    hits = Searcher(folder, counting).search([SearchRequest(documents[5].text, "", top_k=10)])[0]
    assert {hit.document.id for hit in hits.hits} == set(ids(index))
    assert not hits.has_more
    assert delete_documents(index, ["d6"]).manifest.count == 7
    assert ids(index) == ["d1", "d2", "d3", "d4", "d7", "d8", "d9"]


def test_a_part_without_documents_is_dropped(index: Path) -> None:
    assert len(delete_documents(index, ["d8", "d9"]).manifest.parts) == 2


def test_an_index_can_be_emptied_and_filled_again(index: Path, counting: Encoder, documents: list[Document]) -> None:
    delete_documents(index, ids(index))
    searcher = Searcher(IndexFolder.open(index), counting)
    assert searcher.search([SearchRequest("x")])[0].hits == []
    add_documents(index, corpus_of(documents[:3]), counting)
    assert ids(index) == ["d0", "d1", "d2"]


def test_the_same_documents_can_be_deleted_and_added_again(
    index: Path, counting: Encoder, documents: list[Document]
) -> None:
    for _ in range(3):
        delete_documents(index, ["d0", "d1"])
        result = add_documents(index, corpus_of(documents[:2]), counting)
        assert (result.added, result.embedded) == (2, 0)
    assert sorted(ids(index)) == sorted(document.id for document in documents[:10])
    assert len(list(IndexFolder.open(index).verify())) == len(IndexFolder.open(index).manifest.parts)


def test_compacting_keeps_documents_order_and_vectors(
    index: Path, counting: Encoder, documents: list[Document], engine: Any
) -> None:
    delete_documents(index, ["d0", "d5"])
    for document in documents[10:13]:
        add_documents(index, corpus_of([document]), counting)
    before, embedded = IndexFolder.open(index), engine.texts
    result = compact(index, part_size=4)
    after = IndexFolder.open(index)
    assert [part.count for part in result.manifest.parts] == [4, 4, 3]
    assert not result.manifest.deletions
    assert list(after.documents()) == list(before.documents())
    old, new = ([folder.vector(row) for row in folder.rows()] for folder in (before, after))
    assert np.array_equal(np.stack(old), np.stack(new))
    assert engine.texts == embedded
    assert compact(index, part_size=4).manifest.version == result.manifest.version


def test_full_parts_are_not_rewritten(index: Path, counting: Encoder, documents: list[Document]) -> None:
    names = [part.name for part in IndexFolder.open(index).manifest.parts]
    add_documents(index, corpus_of(documents[10:11]), counting)
    assert [part.name for part in compact(index, part_size=4).manifest.parts][:2] == names[:2]


def test_truncation_is_still_counted_after_compacting(tmp_path: Path, counting: Encoder) -> None:
    long = [Document("a", "word " * 300), Document("b", "word"), Document("c", "word " * 400)]
    build_index(corpus_of(long), tmp_path / "i", counting, BuildOptions(part_size=1))
    delete_documents(tmp_path / "i", ["a"])
    assert compact(tmp_path / "i").manifest.truncated == 1


def test_old_versions_are_listed_kept_and_pruned(index: Path, counting: Encoder) -> None:
    for number in range(4):
        delete_documents(index, [f"d{number}"], keep=3)
    assert [(m.version, m.count) for m in versions(index)] == [(3, 8), (4, 7), (5, 6)]
    delete_documents(index, ["d9"], keep=1)
    assert [m.version for m in versions(index)] == [6]
    assert len(list((index / "deletions").iterdir())) == len(IndexFolder.open(index).manifest.deletions)


def test_restoring_publishes_an_older_content_as_the_next_version(index: Path, documents: list[Document]) -> None:
    delete_documents(index, ["d0", "d1", "d2", "d3", "d9"])
    assert restore(index, 1).version == 3
    assert list(IndexFolder.open(index).documents()) == documents[:10]
    assert restore(index, 1).version == 3
    with pytest.raises(IndexFolderError, match="version 9 is not kept; there are 1, 2, 3"):
        restore(index, 9)


def test_a_snapshot_is_an_index_of_its_own(index: Path, tmp_path: Path, counting: Encoder) -> None:
    delete_documents(index, ["d0"])
    manifest = snapshot(index, tmp_path / "copy")
    delete_documents(index, ["d1"], keep=1)
    compact(index, keep=1)
    copy = IndexFolder.open(tmp_path / "copy")
    assert copy.manifest.fingerprint == manifest.fingerprint
    assert sum(part.count for part in copy.verify()) == 10
    assert len(list(copy.ids())) == 9
    with pytest.raises(IndexFolderError, match="holds an index already"):
        snapshot(index, tmp_path / "copy")


def test_versions_are_compared_by_documents(index: Path, counting: Encoder, documents: list[Document]) -> None:
    delete_documents(index, ["d4"])
    add_documents(index, corpus_of([changed(documents[7]), documents[12]]), counting, "replace")
    found = difference(index, 1, 3)
    assert (found.added, found.removed, found.changed) == (["d12"], ["d4"], ["d7"])
    assert difference(index, 3, 3) == ([], [], [])
    compact(index)
    assert difference(index, 3, 4) == ([], [], [])


def test_a_rebuild_embeds_only_documents_that_changed(
    index: Path, counting: Encoder, documents: list[Document], engine: Any
) -> None:
    embedded = engine.texts
    moved = [documents[12], *documents[:5], changed(documents[5]), *documents[6:10]]
    result = build_index(corpus_of(moved), index, counting, SMALL)
    assert (result.embedded, engine.texts - embedded) == (2, 2)
    folder = IndexFolder.open(index)
    assert list(folder.documents()) == moved
    assert np.array_equal(np.concatenate(folder.vectors), counting.encode_documents(moved))


def test_damaged_vectors_are_not_taken_over(index: Path, counting: Encoder, documents: list[Document]) -> None:
    part = IndexFolder.open(index).manifest.parts[0]
    file = index / "parts" / part.name / "vectors.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    new = [documents[12], *documents[:10]]
    assert build_index(corpus_of(new), index, counting, SMALL).embedded == 5
    assert np.array_equal(np.concatenate(IndexFolder.open(index).vectors), counting.encode_documents(new))


def test_changes_by_another_model_or_without_an_index_are_refused(
    tmp_path: Path, index: Path, counting: Encoder, documents: list[Document]
) -> None:
    counting.fingerprint = "sha256:" + "0" * 64
    with pytest.raises(IndexFolderError, match="was built with model"):
        add_documents(index, corpus_of(documents[10:]), counting)
    with pytest.raises(IndexFolderError, match="no index at"):
        delete_documents(tmp_path / "nothing", ["a"])
    assert not (tmp_path / "nothing").exists()


def test_a_second_writer_is_refused(index: Path) -> None:
    with IndexWriter.lock(index), pytest.raises(IndexFolderError, match="another process is writing this index"):
        delete_documents(index, ["d0"])


Work = Callable[[Path, Encoder, list[Document]], object]
WORKS: dict[str, Work] = {
    "add": lambda path, encoder, documents: add_documents(path, corpus_of(documents[10:15]), encoder, part_size=4),
    "upsert": lambda path, encoder, documents: add_documents(
        path, corpus_of([changed(documents[2]), documents[11]]), encoder, "replace"
    ),
    "delete": lambda path, encoder, documents: delete_documents(path, ["d0", "d5", "d9"]),
    "compact": lambda path, encoder, documents: compact(path, part_size=3, keep=1),
    "restore": lambda path, encoder, documents: restore(path, 1),
}


@pytest.mark.parametrize("name", WORKS)
def test_a_change_that_ends_at_any_step_leaves_the_old_version_or_the_new_one(
    tmp_path: Path, index: Path, counting: Encoder, documents: list[Document], name: str
) -> None:
    delete_documents(index, ["d1"])
    before = list(IndexFolder.open(index).documents())
    shutil.copytree(index, tmp_path / "done")
    WORKS[name](tmp_path / "done", counting, documents)
    after = list(IndexFolder.open(tmp_path / "done").documents())

    def work(at: int) -> Callable[[], object]:
        shutil.copytree(index, tmp_path / f"{at}")
        return lambda: WORKS[name](tmp_path / f"{at}", counting, documents)

    ended = 0
    for at in every_crash(work):
        path = tmp_path / f"{at}"
        folder = IndexFolder.open(path)
        assert len(list(folder.verify())) == len(folder.manifest.parts)
        assert list(folder.documents()) in (before, after)
        WORKS[name](path, counting, documents)
        assert list(IndexFolder.open(path).documents()) == after
        ended += 1
    assert ended > 5


TestChanges = ChangingIndex.TestCase
TestChanges.settings = settings(max_examples=5, stateful_step_count=25, deadline=None)
