from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tart import Document, Encoder, InputFormat
from tart.errors import IndexFolderError, QueryError, SourceError
from tart.readers import ReadOptions
from tart_index import BuildOptions, Corpus, IndexFolder, build_index
from tart_index.parts import Progress, part_chunks
from tart_index.writer import IndexWriter
from tests.index.crashes import crashing, every_crash

SMALL = BuildOptions(part_size=4)


def corpus_of(documents: list[Document]) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of an index's parts by name."""
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return {name: content for name, content in files.items() if name.startswith("parts/")}


class Told:
    """Records what the builder says of its progress."""

    def __init__(self) -> None:
        self.total: int | None = -1
        self.documents = 0

    def checked(self, documents: int) -> None:
        pass

    def start(self, total: int | None) -> None:
        self.total = total

    def done(self, documents: int) -> None:
        self.documents += documents


def test_an_index_holds_every_document_and_its_vector(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    result = build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    folder = IndexFolder.open(tmp_path / "i")
    assert [part.count for part in folder.manifest.parts] == [4, 4, 4, 4, 4]
    assert list(folder.documents()) == documents
    assert [folder.document(row) for row in range(20)] == documents
    assert list(folder.ids()) == [document.id for document in documents]
    assert np.array_equal(np.concatenate(folder.vectors), counting.encode_documents(documents))
    assert (len(folder), result.embedded, result.changed, result.manifest.version) == (20, 20, True, 1)
    assert len(list(folder.verify())) == 5


def test_the_last_part_is_shorter(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    build_index(corpus_of(documents[:6]), tmp_path / "i", counting, SMALL)
    folder = IndexFolder.open(tmp_path / "i")
    assert [part.count for part in folder.manifest.parts] == [4, 2]
    assert folder.document(5) == documents[5]
    with pytest.raises(IndexError):
        folder.document(6)


def test_a_second_run_embeds_nothing_and_publishes_nothing(
    tmp_path: Path, counting: Encoder, documents: list[Document], engine: Any
) -> None:
    build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    before, embedded = (tmp_path / "i" / "manifest.json").read_bytes(), engine.texts
    result = build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    assert (result.embedded, result.changed, engine.texts) == (0, False, embedded)
    assert (tmp_path / "i" / "manifest.json").read_bytes() == before


def test_parts_of_a_build_that_was_given_up_are_removed(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    wanted = tree(tmp_path / "i")
    with crashing(at=40):
        build_index(corpus_of(documents[::-1]), tmp_path / "i", counting, SMALL)
    assert len(tree(tmp_path / "i")) > len(wanted)
    assert not build_index(corpus_of(documents), tmp_path / "i", counting, SMALL).changed
    assert tree(tmp_path / "i") == wanted


def test_a_grown_corpus_embeds_only_what_is_new(
    tmp_path: Path, counting: Encoder, documents: list[Document], engine: Any
) -> None:
    build_index(corpus_of(documents[:8]), tmp_path / "i", counting, SMALL)
    embedded = engine.texts
    result = build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    assert (result.embedded, engine.texts - embedded, result.manifest.version) == (12, 12, 2)
    assert list(IndexFolder.open(tmp_path / "i").documents()) == documents


def test_a_changed_document_changes_one_part_and_the_old_part_goes(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    changed = [*documents[:5], Document("d5", "other words"), *documents[6:]]
    result = build_index(corpus_of(changed), tmp_path / "i", counting, BuildOptions(part_size=4, keep=1))
    assert result.embedded == 1
    assert list(IndexFolder.open(tmp_path / "i").documents()) == changed
    assert len(list((tmp_path / "i" / "parts").iterdir())) == 5


def test_an_open_reader_keeps_the_version_it_opened(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    old = IndexFolder.open(tmp_path / "i")
    build_index(corpus_of([Document("new", "something else")]), tmp_path / "i", counting, SMALL)
    assert list(old.documents()) == documents
    assert np.array_equal(np.concatenate(old.vectors), counting.encode_documents(documents))
    assert [document.id for document in IndexFolder.open(tmp_path / "i").documents()] == ["new"]


def test_a_reader_that_loses_the_race_reads_the_new_version(
    tmp_path: Path, counting: Encoder, documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    real, calls = IndexFolder.__init__, 0

    def publish_in_between(self: IndexFolder, path: Path, manifest: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            build_index(corpus_of(documents[::-1]), tmp_path / "i", counting, BuildOptions(part_size=4, keep=1))
        real(self, path, manifest)

    monkeypatch.setattr(IndexFolder, "__init__", publish_in_between)
    assert list(IndexFolder.open(tmp_path / "i").documents()) == documents[::-1]
    assert calls > 1


def test_progress_adds_up(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    for embedded in (20, 0):
        told: Progress = Told()
        result = build_index(corpus_of(documents), tmp_path / "i", counting, SMALL, told)
        assert (result.embedded, told.total, told.documents) == (embedded, 20, 20)  # type: ignore[attr-defined]


def test_truncated_documents_are_counted(tmp_path: Path, counting: Encoder) -> None:
    long = [Document("long", " ".join(["word"] * 300)), Document("short", "word")]
    assert build_index(corpus_of(long), tmp_path / "i", counting).manifest.truncated == 1


def test_skipped_rows_are_counted_in_the_manifest(tmp_path: Path, counting: Encoder) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text('{"id": "a", "text": "x"}\nnot json\n{"id": "b", "text": "y"}\n{"id": "a", "text": "z"}\n')
    corpus = Corpus.from_sources([str(file)], ReadOptions(on_error="skip"))
    result = build_index(corpus, tmp_path / "i", counting)
    assert dict(result.manifest.skipped) == {"not JSON": 1, "duplicate id": 1}
    assert result.manifest.count == 2


def test_a_fault_in_the_last_line_is_found_before_anything_is_embedded(
    tmp_path: Path, counting: Encoder, engine: Any
) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text("".join(f'{{"id": "{n}", "text": "x"}}\n' for n in range(50)) + "broken\n")
    with pytest.raises(SourceError, match=r"c\.jsonl:51"):
        build_index(Corpus.from_sources([str(file)]), tmp_path / "i", counting, SMALL)
    assert engine.texts == 0


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_corpus_is_refused_and_nothing_is_published(tmp_path: Path, counting: Encoder, content: str) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text(content)
    with pytest.raises(SourceError, match=r"no documents in .*c\.jsonl: it is empty"):
        build_index(Corpus.from_sources([str(file)]), tmp_path / "i", counting)
    with pytest.raises(IndexFolderError, match="its first build has not finished"):
        IndexFolder.open(tmp_path / "i")


def test_a_corpus_of_skipped_rows_says_why(tmp_path: Path, counting: Encoder) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text("a\nb\n")
    corpus = Corpus.from_sources([str(file)], ReadOptions(on_error="skip"))
    with pytest.raises(SourceError, match=r"all 2 rows were skipped, the first because: .*c\.jsonl:1"):
        build_index(corpus, tmp_path / "i", counting)


def test_a_folder_that_holds_something_else_is_left_alone(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(IndexFolderError, match=r"holds something else \(thesis\.txt\)"):
        build_index(corpus_of(documents), tmp_path, counting)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_left_alone(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    (tmp_path / "i").write_text("precious")
    with pytest.raises(IndexFolderError, match="found a file; wanted a folder"):
        build_index(corpus_of(documents), tmp_path / "i", counting)
    assert (tmp_path / "i").read_text() == "precious"


def test_a_second_writer_is_refused(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    with (
        IndexWriter.lock(tmp_path / "i"),
        pytest.raises(IndexFolderError, match="another process is writing this index"),
    ):
        build_index(corpus_of(documents), tmp_path / "i", counting)
    build_index(corpus_of(documents), tmp_path / "i", counting)


def test_another_models_index_is_replaced_only_when_asked(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    before = tree(tmp_path / "i")
    counting.input_format = InputFormat("other", document="{title}: {text}")
    with pytest.raises(IndexFolderError, match=r"input format 'tart'.*asked for .*'other'; say --replace"):
        build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    assert tree(tmp_path / "i") == before
    result = build_index(corpus_of(documents), tmp_path / "i", counting, BuildOptions(part_size=4, replace=True))
    assert (result.embedded, result.manifest.version) == (20, 2)


def test_a_damaged_manifest_is_built_over_only_when_asked(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    (tmp_path / "i" / "manifest.json").write_text("{")
    with pytest.raises(IndexFolderError, match=r"not JSON.*say --replace"):
        build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    build_index(corpus_of(documents), tmp_path / "i", counting, BuildOptions(part_size=4, replace=True))
    assert list(IndexFolder.open(tmp_path / "i").documents()) == documents


@pytest.mark.parametrize(("name", "embedded"), [("vectors.npy", 4), ("documents.arrow", 0), ("part.json", 0)])
def test_a_damaged_part_is_written_again_with_the_vectors_that_are_sound(
    tmp_path: Path, counting: Encoder, documents: list[Document], name: str, embedded: int
) -> None:
    result = build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    wanted = tree(tmp_path / "i")
    file = tmp_path / "i" / "parts" / result.manifest.parts[2].name / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    assert build_index(corpus_of(documents), tmp_path / "i", counting, SMALL).embedded == embedded
    assert tree(tmp_path / "i") == wanted


def test_a_build_that_ends_at_any_step_is_resumed_to_the_same_index(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    build_index(corpus_of(documents), tmp_path / "wanted", counting, SMALL)
    wanted = tree(tmp_path / "wanted")

    def work(at: int) -> Callable[[], object]:
        return lambda: build_index(corpus_of(documents), tmp_path / f"{at}", counting, SMALL)

    ended = 0
    for at in every_crash(work):
        out = tmp_path / f"{at}"
        finished = len([p for p in (out / "parts").glob("*") if p.suffix != ".unfinished"]) if out.exists() else 0
        result = build_index(corpus_of(documents), out, counting, SMALL)
        assert result.embedded <= 20 - 4 * finished + 4
        assert tree(out) == wanted
        assert len(list(IndexFolder.open(out).verify())) == 5
        ended += 1
    assert ended > 20


def test_a_rebuild_that_ends_at_any_step_leaves_the_old_index_or_the_new_one(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    new = [*documents[:7], Document("x", "something new")]
    build_index(corpus_of(documents[:8]), tmp_path / "old", counting, SMALL)

    def work(at: int) -> Callable[[], object]:
        shutil.copytree(tmp_path / "old", tmp_path / f"{at}")
        return lambda: build_index(corpus_of(new), tmp_path / f"{at}", counting, SMALL)

    seen = set[str]()
    for at in every_crash(work):
        folder = IndexFolder.open(tmp_path / f"{at}")
        assert list(folder.verify())
        found = list(folder.documents())
        assert found in (documents[:8], new)
        seen.add("old" if found == documents[:8] else "new")
    assert seen == {"old", "new"}


def test_a_full_disk_says_so_and_keeps_what_was_published(
    tmp_path: Path, counting: Encoder, documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(corpus_of(documents[:8]), tmp_path / "i", counting, SMALL)
    real, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(IndexFolderError, match="the disk is full; free some space and run the same command again"):
            build_index(corpus_of(documents), tmp_path / "i", counting, SMALL)
    assert list(IndexFolder.open(tmp_path / "i").documents()) == documents[:8]
    assert build_index(corpus_of(documents), tmp_path / "i", counting, SMALL).manifest.count == 20


def test_a_corpus_is_streamed_in_parts(tmp_path: Path, counting: Encoder) -> None:
    made = 0

    def documents() -> Iterator[Document]:
        nonlocal made
        for number in range(64):
            made += 1
            # Nothing is read further ahead than the part in the model, the one prefetched and the one being filled.
            finished = len(list((tmp_path / "i" / "parts").glob("*/part.json")))
            assert made - 4 * finished <= 4 * 5
            yield Document(str(number), "x y z")

    corpus = Corpus(("stream",), lambda _: documents(), rereadable=False)
    assert build_index(corpus, tmp_path / "i", counting, SMALL).manifest.count == 64


def test_long_texts_make_short_parts() -> None:
    documents = [Document(str(number), "x" * length) for number, length in enumerate([1, 2, 30, 1, 1, 1, 1])]
    lengths = [[len(d.text) for d in chunk] for chunk in part_chunks(documents, size=3, characters=32)]
    assert lengths == [[1, 2, 30], [1, 1, 1], [1]]
    assert [[len(d.text) for d in chunk] for chunk in part_chunks(documents, size=3, characters=20)] == lengths
    assert [len(chunk) for chunk in part_chunks(documents, size=9, characters=20)] == [3, 4]


@pytest.mark.parametrize("size", [0, -1])
def test_a_part_holds_at_least_one_document(size: int) -> None:
    with pytest.raises(SourceError, match="wanted 1 or more"):
        BuildOptions(part_size=size)


def test_a_named_instruction_needs_a_text() -> None:
    with pytest.raises(QueryError, match="NAME=TEXT"):
        BuildOptions(prompts={"code": " "})
