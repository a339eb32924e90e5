"""Input that no index can take, and the smallest corpora."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from tart import Document, Encoder
from tart.__main__ import tart
from tart.errors import IndexFolderError, SourceError, TartError
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, SearchRequest, build_index
from tart_index.ann.choose import Wanted
from tart_index.ann.structures import make_structure
from tart_index.changes import add_documents, compact, delete_documents
from tart_index.files import write_array, writing
from tart_index.filters import Comparison
from tests.index.counting import CountingEngine, counting_encoder


def run(*arguments: object) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(tart, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """The message of a command that must fail with an error that the user can mend."""
    result = run(*arguments)
    assert isinstance(result.exception, TartError), result.output + repr(result.exception)
    assert "\n" not in str(result.exception)
    return str(result.exception)


def corpus_of(documents: Sequence[Document]) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


@pytest.fixture
def index(tmp_path: Path, counting: Encoder, documents: list[Document], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten documents; the commands embed by counting tokens, too."""
    monkeypatch.setattr(Encoder, "load", classmethod(lambda cls, *_, **__: counting_encoder()))
    build_index(corpus_of(documents[:10]), tmp_path / "i", counting, BuildOptions(part_size=4))
    return tmp_path / "i"


COMMANDS: dict[str, tuple[object, ...]] = {
    "search": ("search", "I", "merge"),
    "info": ("index", "info", "I"),
    "verify": ("index", "verify", "I"),
    "build": ("index", "build", "C", "--out", "I"),
    "add": ("index", "add", "I", "C"),
    "upsert": ("index", "upsert", "I", "C"),
    "delete": ("index", "delete", "I", "d1"),
    "compact": ("index", "compact", "I"),
    "versions": ("index", "versions", "I"),
    "restore": ("index", "restore", "I", 1),
    "snapshot": ("index", "snapshot", "I", "S"),
    "diff": ("index", "diff", "I", 1, 1),
    "tune": ("index", "tune", "I"),
    "report": ("index", "report", "I", "--out", "P"),
    "export": ("index", "export", "I", "--out", "P.npy"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_an_index_of_a_newer_format_or_of_another_program(
    index: Path, tmp_path: Path, write_jsonl: Callable[..., Path], documents: list[Document], name: str
) -> None:
    names = {
        "I": index,
        "C": write_jsonl(documents[:3]),
        "S": tmp_path / "s",
        "P": tmp_path / "p",
        "P.npy": tmp_path / "p.npy",
    }
    arguments = [names.get(str(one), one) for one in COMMANDS[name]]
    body = json.loads((index / "manifest.json").read_text())
    for change, message in (
        ({"format": 3}, "has folder format 3, this program reads 1 and 2"),
        ({"kind": "other-index"}, "is not the manifest of a tart index"),
    ):
        (index / "manifest.json").write_text(json.dumps({**body, **change}))
        before = sorted(index.rglob("*"))
        assert message in refused(*arguments)
        assert sorted(index.rglob("*")) == before


@pytest.mark.parametrize("top_k", [0, -1, 1_001])
def test_so_many_hits_cannot_be_asked_for(index: Path, top_k: int) -> None:
    assert f"top_k is {top_k}" in refused("search", index, "merge", "-k", top_k)


def test_more_hits_than_documents_are_all_documents(index: Path) -> None:
    body = json.loads(run("search", index, "merge", "-k", 1_000, "--json").output)
    assert (len(body["data"]), body["has_more"]) == (10, False)


def test_ids_that_are_no_text_are_refused(index: Path) -> None:
    with pytest.raises(SourceError, match="a document has the id 5, a int; wanted a string"):
        Document(5, "text")  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="found the id 5, a int; wanted a string"):
        delete_documents(index, ["d1", 5])  # type: ignore[list-item]
    assert len(IndexFolder.open(index)) == 10


def test_ids_of_odd_bytes_are_only_not_there(index: Path) -> None:
    assert delete_documents(index, ["\udcff", "", " d1", "x" * 100_000]).not_found == 4


@pytest.mark.parametrize("content", [b"d0\n\nd1\n", b"caf\xe9\n", b"d0\nd0\n", b""])
def test_a_file_of_ids_that_are_none_is_refused(index: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ids.txt").write_bytes(content)
    np.save(tmp_path / "v.npy", np.ones((2, 32), dtype=np.float32))
    bare = ("--ids", tmp_path / "ids.txt", "--vectors", tmp_path / "v.npy", "--out", tmp_path / "new", "--trust")
    assert refused("index", "import", *bare)
    assert not (tmp_path / "new" / "manifest.json").exists()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0])
def test_a_vector_that_is_no_number_is_never_stored(
    index: Path, counting: Encoder, documents: list[Document], monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    real = CountingEngine.embed

    def broken(self: CountingEngine, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        vectors = real(self, texts, skip)
        vectors[-1] = wrong
        return vectors

    monkeypatch.setattr(CountingEngine, "embed", broken)
    before = IndexFolder.open(index).manifest
    for work in (
        lambda: add_documents(index, corpus_of(documents[10:]), counting),
        lambda: build_index(corpus_of(documents), index, counting, BuildOptions(part_size=16)),
    ):
        with pytest.raises(IndexFolderError, match=r"the vector of document 'd1\d' has the length .*; wanted 1"):
            work()
        assert IndexFolder.open(index).manifest == before


def one_document(path: Path, encoder: Encoder) -> Document:
    document = Document("only", "merge two lists", "Title", {"n": 1, "tags": ["a"]})
    build_index(corpus_of([document]), path, encoder)
    return document


def test_a_corpus_of_one_document_is_an_index_like_any_other(tmp_path: Path, counting: Encoder) -> None:
    document = one_document(tmp_path / "one", counting)
    assert make_structure(tmp_path / "one", Wanted(factory="IVF1,Flat", queries=20)).manifest.structure is None
    assert compact(tmp_path / "one").manifest.version == 1
    searcher = Searcher(IndexFolder.open(tmp_path / "one"), counting)
    for wanted, hits in ((None, 1), (Comparison("eq", "n", 1), 1), (Comparison("eq", "tags", "b"), 0)):
        [result] = searcher.search([SearchRequest("merge", "", top_k=5, filter=wanted)])
        assert [hit.document for hit in result.hits] == [document] * hits
        assert not result.has_more
    delete_documents(tmp_path / "one", ["only"])
    for change in (
        lambda: compact(tmp_path / "one"),
        lambda: make_structure(tmp_path / "one", Wanted(factory="IVF1,Flat")),
    ):
        assert change().manifest.count == 0  # type: ignore[attr-defined]
    assert Searcher(IndexFolder.open(tmp_path / "one"), counting).search([SearchRequest("merge")])[0].hits == []


@pytest.mark.parametrize("emptied", [False, True])
def test_every_command_takes_an_index_of_one_document_or_none(
    index: Path, tmp_path: Path, write_jsonl: Callable[..., Path], counting: Encoder, emptied: bool
) -> None:
    one_document(tmp_path / "one", counting)
    if emptied:
        delete_documents(tmp_path / "one", ["only"])
    corpus = write_jsonl([Document("only", "merge two lists"), Document("other", "sort")])
    names = {"I": tmp_path / "one", "C": corpus, "S": tmp_path / "s", "P": tmp_path / "p", "P.npy": tmp_path / "p.npy"}
    for name in (
        "info",
        "verify",
        "tune",
        "report",
        "export",
        "compact",
        "versions",
        "snapshot",
        "search",
        "diff",
        "upsert",
    ):
        result = run(*(names.get(str(one), one) for one in COMMANDS[name]))
        assert result.exit_code == 0, f"{name}: {result.output} {result.exception!r}"
    assert len(IndexFolder.open(tmp_path / "s")) == 1 - emptied
    assert len(IndexFolder.open(tmp_path / "one")) == 2


@pytest.mark.parametrize(
    "content", [b'{"query": 5}\n' * 20, b'{"query": " "}\n' * 20, b"\xff\n", b'{"query": "caf\xe9"}\n' * 20]
)
def test_queries_to_tune_with_that_are_none_are_refused(index: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "q.jsonl").write_bytes(content)
    assert refused("index", "tune", index, "--structure", "IVF1,Flat", "--queries", tmp_path / "q.jsonl")


def test_a_batch_that_is_no_text_is_refused(index: Path, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_bytes(b'{"query": "merge"}\n{"query": "caf\xe9"}\n')
    assert "UTF-8" in refused("search", index, "--batch", tmp_path / "q.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_array_that_does_not_fit_on_the_disk_says_so() -> None:
    with pytest.raises(IndexFolderError, match="the disk is full; free some space"), writing(Path("i")):
        write_array(Path("/dev/full"), np.zeros((1_000, 8), dtype=np.float32))


def test_an_array_is_written_as_numpy_does(tmp_path: Path) -> None:
    array: Any = np.arange(24, dtype=np.uint64).reshape(3, 8)
    write_array(tmp_path / "ours.npy", array)
    np.save(tmp_path / "theirs.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()
