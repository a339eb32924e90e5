from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from tart import Document, Encoder
from tart.errors import IndexFolderError, SourceError
from tart_index.batch_lines import trec_lines
from tart_index.changes import delete_documents
from tart_index.cli import index
from tart_index.corpus import Corpus
from tart_index.exporting import export
from tart_index.folder import IndexFolder
from tart_index.importing import NpyVectors, ParquetVectors, import_vectors
from tart_index.search_cli import search
from tart_index.searcher import Hit, Searcher, SearchRequest, SearchResult
from tests.index.clustered import clustered, write_index

GONE = ["0", "7", "999"]


@pytest.fixture
def folder(tmp_path: Path) -> IndexFolder:
    """1,200 documents in three parts, three of them deleted."""
    write_index(tmp_path / "index", clustered(1_200, 16, 0))
    delete_documents(tmp_path / "index", GONE)
    return IndexFolder.open(tmp_path / "index")


def alive(folder: IndexFolder) -> tuple[list[str], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    rows = list(folder.rows())
    return [folder.document(row).id for row in rows], np.stack([folder.vector(row) for row in rows])


def test_parquet_holds_everything(folder: IndexFolder, tmp_path: Path) -> None:
    assert export(folder, tmp_path / "all.parquet") == [tmp_path / "all.parquet"]
    table = pq.read_table(tmp_path / "all.parquet")
    ids, vectors = alive(folder)
    assert table["id"].to_pylist() == ids
    assert len(ids) == 1_197
    assert json.loads(table["metadata"][0].as_py()) == {"n": 1}
    assert np.array_equal(np.array(table["vector"].to_pylist(), dtype=np.float32), vectors)


@pytest.mark.parametrize("name", ["all.npy", "all.faiss"])
def test_vectors_alone_come_with_their_ids(folder: IndexFolder, tmp_path: Path, name: str) -> None:
    files = export(folder, tmp_path / name)
    ids, vectors = alive(folder)
    read = np.load(files[0]) if name.endswith(".npy") else faiss.read_index(str(files[0])).reconstruct_n(0, 1_197)
    assert np.array_equal(read, vectors)
    assert [json.loads(line) for line in files[1].read_text().splitlines()] == ids
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"{name}.ids.txt", "index"])


def test_an_unknown_suffix_is_refused(folder: IndexFolder, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"wanted one that ends in \.parquet, \.npy, \.faiss"):
        export(folder, tmp_path / "all.csv")


@pytest.fixture
def texts() -> list[Document]:
    return [Document(f"d{n}", f"word{n % 7} about thing{n % 13} number {n}", "", {"n": n}) for n in range(90)]


def corpus(documents: Sequence[Document]) -> Corpus:
    return Corpus.from_documents("made up", lambda: documents)


@pytest.mark.parametrize("kind", ["npy", "npy16", "parquet"])
def test_what_was_exported_can_be_imported(counting: Encoder, texts: list[Document], tmp_path: Path, kind: str) -> None:
    vectors = counting.encode_documents(texts)
    scaled = vectors * np.linspace(0.5, 3, len(texts))[:, None].astype(np.float32)
    file = tmp_path / "vectors"
    if kind == "parquet":
        pq.write_table(pa.table({"embedding": pa.array(scaled.tolist(), pa.list_(pa.float64()))}), file)
        stream: NpyVectors | ParquetVectors = ParquetVectors(file, "embedding")
    else:
        with file.open("wb") as out:
            np.save(out, scaled.astype(np.float16 if kind == "npy16" else np.float32))
        stream = NpyVectors(file)
    result = import_vectors(corpus(texts), stream, tmp_path / "index", counting, part_size=40)
    assert result.checked == 32
    assert result.alike > 0.999
    folder = IndexFolder.open(tmp_path / "index")
    list(folder.verify())
    assert [part.count for part in folder.manifest.parts] == [40, 40, 10]
    ids, stored = alive(folder)
    assert ids == [document.id for document in texts]
    assert np.allclose(stored, vectors, atol=1e-3)
    hit = Searcher(folder, counting).search([SearchRequest(texts[17].text)])[0].hits[0]
    assert hit.document == texts[17]


def test_vectors_of_another_model_are_refused(counting: Encoder, texts: list[Document], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "v.npy", rng.standard_normal((90, counting.dim)).astype(np.float32))
    with pytest.raises(IndexFolderError, match=r"wanted at least 0\.98: name the model"):
        import_vectors(corpus(texts), NpyVectors(tmp_path / "v.npy"), tmp_path / "index", counting)
    with pytest.raises(IndexFolderError, match="no index"):
        IndexFolder.open(tmp_path / "index")
    trusted = import_vectors(corpus(texts), NpyVectors(tmp_path / "v.npy"), tmp_path / "index", counting, trust=True)
    assert (trusted.manifest.count, trusted.checked) == (90, 0)
    with pytest.raises(IndexFolderError, match="holds an index already"):
        import_vectors(corpus(texts), NpyVectors(tmp_path / "v.npy"), tmp_path / "index", counting)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[:80], "only 80 vectors for more documents"),
        (lambda v: np.concatenate([v, v[:1]]), "more vectors than the 90 documents"),
        (lambda v: v[:, :-1], "numbers, the model makes"),
        (lambda v: np.where(np.arange(90)[:, None] == 41, 0, v), r"vector 41 \(from 0\) is zero"),
        (lambda v: np.where(np.arange(90)[:, None] == 3, np.nan, v), r"vector 3 \(from 0\) is zero or holds no finite"),
        (lambda v: v.astype(np.int64), "wanted floats of"),
        (lambda v: v[0], "wanted floats of"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(
    counting: Encoder, texts: list[Document], tmp_path: Path, change: Callable[..., object], message: str
) -> None:
    np.save(tmp_path / "v.npy", change(counting.encode_documents(texts)))
    with pytest.raises(SourceError, match=message):
        import_vectors(corpus(texts), NpyVectors(tmp_path / "v.npy"), tmp_path / "index", counting)
    assert not (tmp_path / "index" / "manifest.json").exists()


def test_files_that_hold_no_vectors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="not an array file"):
        NpyVectors(tmp_path / "x.npy")
    with pytest.raises(SourceError, match="not a Parquet file"):
        ParquetVectors(tmp_path / "x.npy", "vector")
    pq.write_table(pa.table({"vector": [1.0], "ragged": [[1.0]]}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"no column 'vector' of vectors \(found: vector, ragged\)"):
        ParquetVectors(tmp_path / "x.parquet", "vector")
    pq.write_table(pa.table({"vector": [[1.0, 2.0], [1.0]]}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="differ in length"):
        ParquetVectors(tmp_path / "x.parquet", "vector").take(2)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(index, [str(one) for one in arguments])


def test_the_commands(write_jsonl: Callable[..., Path], texts: list[Document], tmp_path: Path) -> None:
    model = ("--model", "all-MiniLM-L6-v2")
    docs, first, second = write_jsonl(texts), tmp_path / "first", tmp_path / "second"
    assert run("build", docs, "--out", first, *model).exit_code == 0
    assert run("export", first, "--out", tmp_path / "v.npy").exit_code == 0
    imported = run("import", docs, "--vectors", tmp_path / "v.npy", "--out", second, *model, "--json")
    assert imported.exit_code == 0, imported.output
    assert json.loads(imported.output)["least_cosine"] > 0.999
    asked = [str(second), "thing3 number 16", "--json", "-k", "3"]
    assert json.loads(CliRunner().invoke(search, asked).output)["data"][0]["id"] == "d16"
    (tmp_path / "ids.txt").write_text("".join(f"{d.id}\n" for d in texts))
    bare = ("import", "--ids", tmp_path / "ids.txt", "--vectors", tmp_path / "v.npy", "--out", tmp_path / "third")
    assert "say --trust" in run(*bare, *model).output
    assert run(*bare, *model, "--trust").exit_code == 0
    assert (
        "give the documents as SOURCE" in run("import", "--out", tmp_path / "x", "--vectors", tmp_path / "v.npy").output
    )
    assert "no vectors; give --vectors" in str(run("import", docs, "--out", tmp_path / "x").exception)


def test_a_run_names_queries_by_id_and_breaks_ties(
    write_jsonl: Callable[..., Path], texts: list[Document], tmp_path: Path
) -> None:
    run("build", write_jsonl(texts), "--out", tmp_path / "index", "--model", "all-MiniLM-L6-v2")
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": "q a", "query": "thing3"}\n\n{"query": "word1"}\n{"query": " "}\n')
    result = CliRunner().invoke(search, [str(tmp_path / "index"), "--batch", str(queries), "--trec", "mine", "-k", "3"])
    assert result.exit_code == 1
    rows = [line.split(" ") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == ["q_a"] * 3 + ["3"] * 3
    assert [row[3] for row in rows] == ["1", "2", "3"] * 2
    assert {(row[1], row[5]) for row in rows} == {("Q0", "mine")}
    assert "the query is empty" in result.stderr
    for wrong, message in [([], "Missing argument 'QUERY'"), (["x", "--batch", str(queries)], "not both")]:
        assert message in CliRunner().invoke(search, [str(tmp_path / "index"), *wrong]).output
    single = CliRunner().invoke(search, [str(tmp_path / "index"), "x", "--trec", "t"])
    assert "--trec is for many queries" in single.output


def test_equal_scores_fall_in_a_run() -> None:
    hits = [Hit(rank, 0.5, Document(f"d {rank}", "text")) for rank in (1, 2, 3)]
    lines = list(trec_lines("q", SearchResult("", hits, has_more=False, tokens=1), "run"))
    assert lines == ["q Q0 d_1 1 0.500000 run\n", "q Q0 d_2 2 0.499999 run\n", "q Q0 d_3 3 0.499998 run\n"]
