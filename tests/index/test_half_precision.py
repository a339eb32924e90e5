"""Vectors stored as float16: the same answers from every reader, as if the stored numbers were float32."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tart import Document, Encoder
from tart.errors import IndexFolderError, SourceError
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, SearchRequest, build_index
from tart_index.ann.choose import Wanted
from tart_index.ann.search import ApproximateSearch
from tart_index.ann.structures import make_structure
from tart_index.changes import add_documents, compact, delete_documents
from tart_index.cli import index as command
from tart_index.exact import ExactSearch
from tart_index.exporting import export
from tart_index.importing import NpyVectors, import_vectors
from tart_index.manifest import Manifest
from tart_index.merging import merge_small_parts
from tart_index.selection.vectors import PoolVectors
from tart_index.vector_type import as_float32
from tart_index.versions import difference, restore, snapshot
from tests.index.clustered import clustered, write_index
from tests.index.counting import CountingEngine

HALF = BuildOptions(part_size=8, keep=1, vector_dtype="float16")


def corpus(documents: list[Document]) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


def build(path: Path, documents: list[Document], encoder: Encoder, options: BuildOptions = HALF) -> IndexFolder:
    build_index(corpus(documents), path, encoder, options)
    return IndexFolder.open(path)


def rounded(encoder: Encoder, documents: list[Document]) -> np.ndarray:
    return encoder.encode_documents(documents).astype(np.float16)


def contents(path: Path) -> dict[str, bytes]:
    return {file.name + file.parent.name: file.read_bytes() for file in (path / "parts").rglob("*.*") if file.is_file()}


@given(arrays(np.float16, (3, 5), elements=st.floats(-1, 1, width=16)))
def test_every_half_becomes_the_float32_that_it_is(halves: np.ndarray) -> None:
    read_only = halves.copy()
    read_only.flags.writeable = False
    for given_array in (halves, read_only):
        found = as_float32(given_array)
        assert found.dtype == np.float32
        assert found.tobytes() == halves.astype(np.float32).tobytes()


def test_vectors_are_rounded_once_and_named_in_the_manifest(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    folder = build(tmp_path / "i", documents, counting)
    assert all(part.dtype == np.float16 and not part.flags.owndata for part in folder.vectors)
    assert np.array_equal(np.concatenate(folder.vectors), rounded(counting, documents))
    body = json.loads((tmp_path / "i" / "manifest.json").read_text())
    assert (body["vector_dtype"], body["format"]) == ("float16", 2)
    assert len(list(folder.verify())) == 3
    assert np.array_equal(folder.vector(3), rounded(counting, documents)[3].astype(np.float32))


def test_an_index_in_float32_still_says_format_1(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    build(tmp_path / "i", documents, counting, BuildOptions())
    body = json.loads((tmp_path / "i" / "manifest.json").read_text())
    assert (body["vector_dtype"], body["format"], "full_dim" in body["model"]) == ("float32", 1, False)


def test_a_manifest_of_another_format_than_its_content_is_refused(
    tmp_path: Path, counting: Encoder, documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = build(tmp_path / "i", documents, counting).manifest
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    monkeypatch.setattr(Manifest, "format", 1)
    content = manifest.to_bytes()
    monkeypatch.undo()
    with pytest.raises(IndexFolderError, match="contradicts itself"):
        Manifest.from_bytes(content)
    with pytest.raises(IndexFolderError, match="stored as 'int8'; wanted float32 or float16"):
        replace(manifest, vector_dtype="int8")
    with pytest.raises(SourceError, match="to be stored as 'int8'; wanted float32 or float16"):
        BuildOptions(vector_dtype="int8")  # type: ignore[arg-type]


def test_a_build_that_is_run_again_makes_the_same_bytes(
    tmp_path: Path, counting: Encoder, engine: CountingEngine, documents: list[Document]
) -> None:
    build(tmp_path / "whole", documents, counting)
    build(tmp_path / "grown", documents[:11], counting)
    before = engine.texts
    build(tmp_path / "grown", documents, counting)
    assert engine.texts - before == len(documents) - 11
    assert contents(tmp_path / "grown") == contents(tmp_path / "whole")


def test_float32_becomes_float16_without_the_model_and_never_comes_back(
    tmp_path: Path, counting: Encoder, engine: CountingEngine, documents: list[Document]
) -> None:
    path = tmp_path / "i"
    build(path, documents, counting, BuildOptions(part_size=8))
    with pytest.raises(IndexFolderError, match="as float32, now asked for 32 as float16; say --dimension 32 --vector"):
        build(path, documents, counting)
    before = engine.texts
    build(path, documents, counting, replace(HALF, replace=True))
    assert engine.texts == before
    build(tmp_path / "fresh", documents, counting)
    assert contents(path) == contents(tmp_path / "fresh")
    before = engine.texts
    folder = build(path, documents, counting, BuildOptions(part_size=8, replace=True))
    assert engine.texts - before == len(documents)
    assert np.array_equal(np.concatenate(folder.vectors), counting.encode_documents(documents))


def test_changes_take_the_type_of_the_index(
    tmp_path: Path, counting: Encoder, engine: CountingEngine, documents: list[Document]
) -> None:
    path = tmp_path / "i"
    build(path, documents[:12], counting)
    again = Document("again", documents[0].text, documents[0].title)
    before = engine.texts
    add_documents(path, corpus([*documents[12:], again]), counting, "replace")
    assert engine.texts - before == len(documents) - 12
    delete_documents(path, [documents[3].id])
    compact(path, part_size=6)
    folder = IndexFolder.open(path)
    left = [*documents[:3], *documents[4:], again]
    assert list(folder.documents()) == left
    assert {part.dtype for part in folder.vectors} == {np.dtype(np.float16)}
    assert np.array_equal(np.concatenate(folder.vectors), rounded(counting, left))
    assert difference(path, 2, 4).removed == [documents[3].id]
    assert restore(path, 3).vector_dtype == "float16"
    assert len(list(IndexFolder.open(path).verify())) == 3
    snapshot(path, tmp_path / "copy")
    assert IndexFolder.open(tmp_path / "copy").manifest.vector_dtype == "float16"


def test_small_parts_merge_bit_by_bit(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    path = tmp_path / "i"
    build(path, documents, counting, replace(HALF, part_size=2))
    merge_small_parts(path, part_size=100, most=3)
    [vectors] = IndexFolder.open(path).vectors
    assert vectors.dtype == np.float16
    assert np.array_equal(vectors, rounded(counting, documents))


def test_exact_search_scores_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tart_index.exact._CONVERTED", 64)
    vectors = np.rint(clustered(700, 16, 0) * 8) / 8
    vectors[300:400] = vectors[200:300]
    parts = [block.astype(np.float16) for block in (vectors[:500], vectors[500:])]
    queries = (np.rint(clustered(25, 16, 1) * 8) / 8).astype(np.float32)
    scores = queries @ vectors.T.astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :30]
    found = ExactSearch(parts, threads=1).search(queries, 30)
    assert np.array_equal(found.rows, order)
    assert np.array_equal(found.scores, np.take_along_axis(scores, order, axis=1))
    allowed = np.arange(700) % 3 == 0
    best = ExactSearch(parts, threads=1).search(queries, 30, allowed)
    assert np.array_equal(best.rows, np.argsort(-np.where(allowed, scores, -9), axis=1, kind="stable")[:, :30])


def test_a_structure_is_made_of_them_and_scores_by_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tart_index.ann.search._EXACT_NUMBERS", 0)
    folder = write_index(tmp_path / "i", clustered(3_000, 16, 0), vector_dtype="float16")
    make_structure(tmp_path / "i", Wanted(recall=0.9, factory="IVF16,SQ8", queries=40))
    folder = IndexFolder.open(tmp_path / "i")
    queries = clustered(3_000, 16, 0)[:20]
    found = ApproximateSearch(folder, threads=1).search(queries, 10)
    stored = np.concatenate(folder.vectors).astype(np.float32)
    assert np.allclose(found.scores, np.einsum("qd,qkd->qk", queries, stored[found.rows]), atol=1e-6)
    exact = ExactSearch(folder.vectors, threads=1).search(queries, 10)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.rows, exact.rows, strict=True)]) > 0.8


def test_searches_filters_and_selection_read_them(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    folder = build(tmp_path / "i", documents, counting)
    stored = np.concatenate(folder.vectors).astype(np.float32)
    query = counting.encode_queries([documents[4].text])[0]
    [result] = Searcher(folder, counting).search([SearchRequest(documents[4].text, top_k=20)])
    order = np.lexsort((np.arange(20), -(stored @ query)))
    assert [hit.score for hit in result.hits] == pytest.approx((stored @ query)[order].tolist(), abs=1e-6)
    pool = PoolVectors.of(folder)
    assert np.array_equal(np.concatenate([pool.block(n) for n in range(pool.blocks)]), stored)
    assert np.array_equal(pool.rows(np.array([2, 9, 17])), stored[[2, 9, 17]])


def test_exports_are_float32_and_come_back_the_same(
    tmp_path: Path, counting: Encoder, documents: list[Document]
) -> None:
    folder = build(tmp_path / "i", documents, counting)
    stored = np.concatenate(folder.vectors).astype(np.float32)
    export(folder, tmp_path / "v.npy")
    assert np.array_equal(np.load(tmp_path / "v.npy"), stored)
    export(folder, tmp_path / "v.faiss")
    assert np.array_equal(faiss.read_index(str(tmp_path / "v.faiss")).reconstruct_n(0, 20), stored)
    export(folder, tmp_path / "v.parquet")
    column = pq.read_table(tmp_path / "v.parquet")["vector"]
    assert np.array_equal(np.array(column.to_pylist(), dtype=np.float32), stored)
    vectors = NpyVectors(tmp_path / "v.npy")
    import_vectors(corpus(documents), vectors, tmp_path / "back", counting, vector_dtype="float16")
    back = IndexFolder.open(tmp_path / "back")
    assert back.manifest.vector_dtype == "float16"
    assert np.abs(np.concatenate(back.vectors).astype(np.float32) - stored).max() < 1e-3
    assert len(list(back.verify())) == 1


def test_a_file_of_the_other_type_is_refused(tmp_path: Path, counting: Encoder, documents: list[Document]) -> None:
    folder = build(tmp_path / "i", documents[:8], counting)
    [part] = folder.manifest.parts
    file = tmp_path / "i" / "parts" / part.name / "vectors.npy"
    np.save(file, np.zeros((4, 32), dtype=np.float32))
    with pytest.raises(IndexFolderError, match=r"found \(4, 32\) float32; wanted \(8, 32\) float16"):
        IndexFolder.open(tmp_path / "i")


def test_a_vector_that_is_not_of_unit_length_is_refused_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = clustered(50, 16, 0)
    vectors[7] *= 1.01
    with pytest.raises(IndexFolderError, match=r"document '7' has the length 1\.01"):
        write_index(tmp_path / "refused", vectors, vector_dtype="float16")
    monkeypatch.setattr("tart_index.writer._check_unit_rows", lambda *_: None)
    folder = write_index(tmp_path / "i", vectors, vector_dtype="float16")
    with pytest.raises(IndexFolderError, match="not of unit length"):
        list(folder.verify())


def test_the_command_stores_and_tells(tmp_path: Path, counting: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "load", lambda *_, **__: counting)
    (tmp_path / "c.jsonl").write_text('{"id": "a", "text": "red apple"}\n{"id": "b", "text": "blue sea"}\n')
    out = str(tmp_path / "i")
    arguments = ["build", str(tmp_path / "c.jsonl"), "--out", out, "--vector-dtype", "float16"]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert "32 x float16, inner_product\n" in CliRunner().invoke(command, ["info", out]).output
