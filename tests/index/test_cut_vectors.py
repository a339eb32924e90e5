"""Vectors cut to a Matryoshka dimension: of documents when an index is built, of queries when it is asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from tart import Document, Encoder
from tart.engines.cut import cut_vectors
from tart.errors import IndexFolderError, IndexModelError, ModelError
from tart.models import ModelFolder, locate, save_matryoshka
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, SearchRequest, build_index
from tart_index.changes import add_documents
from tart_index.cli import index as command
from tart_index.importing import NpyVectors, import_vectors
from tart_index.search_cli import search
from tart_index.selection.preparation import EncoderChoice


def corpus(documents: list[Document]) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


def build(path: Path, documents: list[Document], encoder: Encoder) -> IndexFolder:
    build_index(corpus(documents), path, encoder, BuildOptions(part_size=8))
    return IndexFolder.open(path)


def cut_by_hand(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    short = vectors[:, :dim]
    unit: NDArray[np.float32] = short / np.linalg.norm(short, axis=1, keepdims=True)
    return unit


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the shipped base model's vectors, cut to 64 numbers."""
    path = tmp_path_factory.mktemp("cut")
    rows = [{"id": str(n), "text": text} for n, text in enumerate(["red apple", "blue sea", "sort a list", "a river"])]
    (path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["build", str(path / "c.jsonl"), "--out", str(path / "i"), "--dimension", "64", "--dtype", "float32"]
    result = CliRunner().invoke(command, [*arguments, "--model", "all-MiniLM-L6-v2"])
    assert result.exit_code == 0
    assert "was trained for vectors of 384 numbers and, as far as its folder says, no shorter one" in result.stderr
    return path


def test_the_first_numbers_stay_and_have_unit_length_again() -> None:
    vectors = np.array([[0.6, 0.0, 0.8], [0.0, 0.6, 0.8], [0.0, 0.0, 1.0]], dtype=np.float32)
    assert np.allclose(cut_vectors(vectors, 2), [[1, 0], [0, 1], [1, 0]])


def test_an_encoder_is_cut(counting: Encoder, documents: list[Document]) -> None:
    cut = counting.cut(20)
    assert (cut.dim, cut.uncut, counting.uncut) == (20, counting, counting)
    assert np.allclose(cut.encode_documents(documents), cut_by_hand(counting.encode_documents(documents), 20))
    assert len({counting.fingerprint, cut.fingerprint, counting.cut(19).fingerprint}) == 3
    assert cut.cut(19).fingerprint == counting.cut(19).fingerprint
    assert cut.cut(32) is counting
    for wrong in (0, 33):
        with pytest.raises(ModelError, match=f"dimension is {wrong}, .* have 32 numbers; wanted 1 to 32"):
            counting.cut(wrong)


def test_an_index_of_cut_vectors_says_so(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    folder = build(tmp_path / "i", documents, counting.cut(20))
    assert np.allclose(np.concatenate(folder.vectors), cut_by_hand(counting.encode_documents(documents), 20), atol=1e-6)
    body = json.loads((tmp_path / "i" / "manifest.json").read_text())
    assert (body["dim"], body["model"]["full_dim"], body["format"]) == (20, 32, 2)
    assert folder.manifest.cut_dim == 20
    assert len(list(folder.verify())) == 3


def test_vectors_of_different_lengths_never_meet(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    cut = build(tmp_path / "cut", documents, counting.cut(20))
    whole = build(tmp_path / "whole", documents, counting)
    with pytest.raises(IndexModelError, match=r"holds vectors of 20 numbers, found .* with vectors of 32; cut them"):
        Searcher(cut, counting)
    with pytest.raises(IndexModelError, match=r"holds vectors of 32 numbers, found .* with vectors of 20"):
        Searcher(whole, counting.cut(20))
    with pytest.raises(IndexModelError, match="holds vectors of 20 numbers"):
        add_documents(tmp_path / "cut", corpus([Document("new", "new")]), counting)
    with pytest.raises(IndexFolderError, match="say --dimension 20 --vector-dtype float32 to go on as before"):
        build_index(corpus(documents), tmp_path / "cut", counting)
    build_index(corpus(documents), tmp_path / "cut", counting, BuildOptions(replace=True))
    assert IndexFolder.open(tmp_path / "cut").manifest.cut_dim is None


def test_additions_are_cut_alike(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    cut = counting.cut(20)
    build(tmp_path / "i", documents[:9], cut)
    add_documents(tmp_path / "i", corpus(documents[9:]), cut)
    folder = IndexFolder.open(tmp_path / "i")
    assert np.array_equal(np.concatenate(folder.vectors), cut.encode_documents(documents))


def test_imported_vectors_are_cut(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    for dim in (32, 20):
        np.save(tmp_path / "v.npy", counting.cut(dim).encode_documents(documents))
        out = tmp_path / str(dim)
        import_vectors(corpus(documents), NpyVectors(tmp_path / "v.npy"), out, counting.cut(20))
        [vectors] = IndexFolder.open(out).vectors
        assert np.allclose(vectors, counting.cut(20).encode_documents(documents), atol=1e-6)


def test_queries_are_cut_as_the_index_says(built: Path) -> None:
    searcher = Searcher.open(built / "i", dtype="float32")
    assert (searcher.encoder.dim, searcher.folder.manifest.cut_dim) == (64, 64)
    whole = searcher.encoder.uncut
    texts = [document.text for document in searcher.folder.documents()]
    documents = cut_by_hand(whole.encode_documents([Document(text, text) for text in texts]), 64)
    scores = cut_by_hand(whole.encode_queries(["the ocean"], ["Find water"]), 64)[0] @ documents.T
    [result] = searcher.search([SearchRequest("the ocean", instruction="Find water", top_k=4)])
    assert [hit.document.text for hit in result.hits] == [texts[row] for row in np.argsort(-scores)]
    assert [hit.score for hit in result.hits] == pytest.approx(np.sort(scores)[::-1].tolist(), abs=1e-5)


def test_commands_and_selections_load_the_model_cut(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built / "i", tmp_path / "i")
    assert EncoderChoice(dtype="float32").load(IndexFolder.open(tmp_path / "i")).dim == 64
    (tmp_path / "new.jsonl").write_text('{"id": "new", "text": "the green ocean"}\n')
    assert CliRunner().invoke(command, ["add", str(tmp_path / "i"), str(tmp_path / "new.jsonl")]).exit_code == 0
    found = CliRunner().invoke(search, [str(tmp_path / "i"), "the green ocean", "--json", "--dtype", "float32"])
    assert json.loads(found.output)["data"][0]["id"] == "new"
    assert (
        "64 x float32, inner_product, cut from 384" in CliRunner().invoke(command, ["info", str(tmp_path / "i")]).output
    )


def test_a_model_s_folder_tells_what_it_was_trained_for(tmp_path: Path) -> None:
    shutil.copytree(locate("all-MiniLM-L6-v2"), tmp_path / "m")
    settings = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps({**settings, "matryoshka_dimensions": [64, 32]}))
    assert ModelFolder.open(str(tmp_path / "m")).matryoshka == (64, 32)
    save_matryoshka(tmp_path / "m", [128, 16])
    encoder = Encoder.load(str(tmp_path / "m"), dtype="float32", dimension=128)
    assert encoder.matryoshka == (16, 128)
    assert [encoder.cut(dim).trained_for_dim for dim in (16, 64, 384)] == [True, False, True]
