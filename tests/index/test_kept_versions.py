"""What a change writes never takes the place of what an older version holds; what was killed goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tart import Document, Encoder
from tart.errors import IndexFolderError
from tart_index import BuildOptions, Corpus, IndexFolder, build_index
from tart_index.ann.choose import Wanted
from tart_index.ann.structures import make_structure
from tart_index.changes import add_documents, delete_documents
from tart_index.versions import restore, snapshot, verify_kept, versions
from tart_index.writer import IndexWriter
from tests.index.clustered import clustered, write_index
from tests.index.counting import CountingEngine
from tests.index.crashes import crashing, every_crash

SMALL = BuildOptions(part_size=4)


def corpus_of(documents: Sequence[Document]) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


@pytest.fixture
def index(tmp_path: Path, counting: Encoder, documents: list[Document]) -> Path:
    """Ten documents in parts of four."""
    build_index(corpus_of(documents[:10]), tmp_path / "i", counting, SMALL)
    return tmp_path / "i"


def check_all(path: Path) -> None:
    """Reads every kept version whole."""
    folder = IndexFolder.open(path)
    list(folder.verify())
    verify_kept(folder)


def test_a_part_that_an_older_version_holds_is_not_written_again(
    index: Path, counting: Encoder, engine: CountingEngine, documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = documents[10:14]
    add_documents(index, corpus_of(new), counting)
    delete_documents(index, [document.id for document in new])
    real = CountingEngine.embed

    def otherwise(self: CountingEngine, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        # A real model's last bits depend on the batch that a text happens to be in.
        return np.nextafter(real(self, texts, skip), np.float32(2))

    monkeypatch.setattr(CountingEngine, "embed", otherwise)
    assert add_documents(index, corpus_of(new), counting).embedded == 0
    check_all(index)
    restore(index, 2)
    assert list(IndexFolder.open(index).documents()) == documents[:14]


def test_a_structure_that_an_older_version_holds_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index"
    write_index(path, clustered(400, 16, 0))
    first = make_structure(path, Wanted(recall=0.5, factory="HNSW4,Flat", queries=20)).manifest
    # Threads link a graph in no fixed order: made again, it has other bytes.
    monkeypatch.setattr("tart_index.ann.making._HNSW_BUILD_EFFORT", 8)
    second = make_structure(path, Wanted(recall=0.6, factory="HNSW4,Flat", queries=20)).manifest
    assert first.structure is not None
    assert second.structure is not None
    assert first.structure.file != second.structure.file
    check_all(path)
    assert restore(path, first.version).structure == first.structure
    check_all(path)


def test_an_addition_that_was_killed_embeds_nothing_twice(
    index: Path, counting: Encoder, engine: CountingEngine, documents: list[Document]
) -> None:
    embedded = engine.texts
    with crashing(at=20):
        add_documents(index, corpus_of(documents[10:]), counting, part_size=4)
    finished = 4 * (len([folder for folder in (index / "parts").iterdir() if folder.suffix == ""]) - 3)
    assert finished in (4, 8)
    engine.texts = embedded
    assert add_documents(index, corpus_of(documents[10:]), counting, part_size=4).embedded == 10 - finished
    assert list(IndexFolder.open(index).documents()) == documents


def test_a_damaged_part_is_replaced_without_taking_it_away(
    tmp_path: Path, index: Path, counting: Encoder, documents: list[Document]
) -> None:
    """Its vectors are sound and published; only what the next build reads of it is damaged."""
    part = IndexFolder.open(index).manifest.parts[1]
    (index / "parts" / part.name / "part.json").write_text("{")

    def work(at: int) -> Callable[[], object]:
        shutil.copytree(index, tmp_path / f"{at}")
        return lambda: build_index(corpus_of(documents[:10]), tmp_path / f"{at}", counting, SMALL)

    ended = 0
    for at in every_crash(work):
        folder = IndexFolder.open(tmp_path / f"{at}")
        assert list(folder.documents()) == documents[:10]
        assert np.array_equal(np.concatenate(folder.vectors), counting.encode_documents(documents[:10]))
        assert build_index(corpus_of(documents[:10]), tmp_path / f"{at}", counting, SMALL).embedded == 0
        check_all(tmp_path / f"{at}")
        ended += 1
    assert ended > 10


def test_a_snapshot_that_ends_at_any_step_goes_on(tmp_path: Path, index: Path, documents: list[Document]) -> None:
    delete_documents(index, ["d0"])

    def work(at: int) -> Callable[[], object]:
        return lambda: snapshot(index, tmp_path / f"{at}")

    ended = 0
    for at in every_crash(work):
        manifest = snapshot(index, tmp_path / f"{at}")
        check_all(tmp_path / f"{at}")
        assert versions(tmp_path / f"{at}") == [manifest]
        assert list(IndexFolder.open(tmp_path / f"{at}").documents()) == documents[1:10]
        ended += 1
    assert ended > 10


def test_a_snapshot_does_not_mix_with_an_unfinished_build(
    tmp_path: Path, index: Path, counting: Encoder, documents: list[Document]
) -> None:
    with IndexWriter.lock(tmp_path / "other") as writer:
        vectors = counting.encode_documents(documents[:2])
        writer.write_part("f" * 32, documents[:2], vectors, np.zeros(2, dtype=np.bool_))
    with pytest.raises(IndexFolderError, match="has not finished; remove it or name another"):
        snapshot(index, tmp_path / "other")
    assert (tmp_path / "other" / "parts" / ("f" * 32)).is_dir()
