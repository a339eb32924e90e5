"""Which layout a source has, BEIR folders, and sources that cannot be read at all."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tart
from tart.documents import Document
from tart.errors import SourceError
from tart.readers import ReadOptions, read_documents
from tart.readers.detection import detected_layout
from tart.readers.options import Layout

BEIR_LINE = '{"_id": "d1", "title": "T", "text": "body", "metadata": {"url": "u", "deep": {"a": 1}}}\n'
BEIR_DOCUMENT = Document("d1", "body", "T", {"url": "u"})


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def refusal(source: Path | str, layout: Layout | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        list(read_documents(source, ReadOptions(layout=layout, on_error="skip")))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("a.jsonl", "jsonl"),
        ("a.ndjson.gz", "jsonl"),
        ("a.json", "jsonl"),
        ("a.json.zst", "jsonl"),
        ("a.csv.gz", "csv"),
        ("A.TSV", "tsv"),
        ("a.parquet", "parquet"),
        ("a.md", "text"),
        ("a.markdown.zst", "text"),
        ("a.rst", "text"),
        ("a.b.txt", "text"),
        ("a.py", "python"),
    ],
)
def test_the_layout_of_a_file(tmp_path: Path, name: str, layout: str) -> None:
    assert detected_layout(touch(tmp_path, name) / name) == layout


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["state.json", "data-00000-of-00001.arrow", "corpus.jsonl"], "datasets"),
        (["dataset_dict.json", "train/state.json"], "datasets"),
        (["corpus.jsonl", "queries.jsonl", "README.md"], "beir"),
        (["corpus.jsonl.gz"], "beir"),
        (["corpus.jsonl.zst", "x.parquet"], "beir"),
        (["b.parquet", "README.md", "load.py"], "parquet"),
        (["a.jsonl", "b.ndjson.gz", "README.md"], "jsonl"),
        (["a.py", "b/c.py", "setup.cfg", "table.csv"], "python"),
        (["a.txt", "b/c.md"], "text"),
        (["b/c.rst", ".git/hook.py"], "text"),
    ],
)
def test_the_layout_of_a_folder(tmp_path: Path, names: list[str], layout: str) -> None:
    assert detected_layout(touch(tmp_path, *names)) == layout


def test_ambiguous_folders_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "src/a.py", "docs/b.md")
    assert refusal(tmp_path) == (
        f"{tmp_path}: the folder holds text files (docs/b.md) and python files (src/a.py); "
        "choose with --layout text or --layout python, or name the folder of one kind"
    )
    assert detected_layout(tmp_path / "src") == "python"


def test_data_files_further_down_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    touch(tmp_path, "README.md", "data/train.parquet")
    assert "text files (README.md) and parquet files (data/train.parquet)" in refusal(tmp_path)
    (tmp_path / "README.md").unlink()
    assert "holds parquet files (data/train.parquet)" in refusal(tmp_path)


def test_sources_that_are_none(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path / "gone.jsonl")
        == f"{tmp_path / 'gone.jsonl'}: no such file or folder; name a corpus that is there"
    )
    assert refusal("") == "the source has an empty name; name a corpus file or folder, or - for standard input"
    assert refusal(tmp_path).startswith(
        f"{tmp_path}: the folder holds no corpus; wanted one of the layouts jsonl, parquet"
    )
    touch(tmp_path, "a.pdf", "a.parquet.gz", "noname")
    for name in ("a.pdf", "a.parquet.gz", "noname"):
        message = refusal(tmp_path / name)
        assert message.startswith(
            f"{tmp_path / name}: not a known kind of file; wanted one of .jsonl, .ndjson, .parquet"
        )
        assert message.endswith("or name it with --layout")


def test_errors_of_names_are_raised_before_anything_is_taken(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        read_documents(tmp_path / "gone.jsonl")


def test_a_layout_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.jsonl", "empty/.keep")
    for layout, wanted in (
        ("beir", "corpus.jsonl or corpus.jsonl.gz"),
        ("datasets", "dataset_dict.json or state.json"),
    ):
        message = refusal(tmp_path / "a.jsonl", layout)  # type: ignore[arg-type]
        assert message.startswith(f"{tmp_path / 'a.jsonl'}: is a file; layout {layout} wants a folder with {wanted}")
    for layout in ("jsonl", "parquet", "csv", "tsv", "beir", "text", "python", "datasets"):
        message = refusal(tmp_path / "empty", layout)  # type: ignore[arg-type]
        assert message.startswith(f"{tmp_path / 'empty'}: the folder has nothing for layout {layout}; wanted ")


def test_a_named_layout_reads_a_file_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "corpus").write_text("id,text\n1,a\n")
    assert list(read_documents(tmp_path / "corpus", ReadOptions(layout="csv"))) == [Document("1", "a")]
    (tmp_path / "corpus.gz").write_bytes(gzip.compress(b'{"id": 1, "text": "a"}\n'))
    assert list(read_documents(str(tmp_path / "corpus.gz"), ReadOptions(layout="jsonl"))) == [Document("1", "a")]


def test_a_folder_of_tables_is_read_when_named(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id,text\n2,b\n")
    (tmp_path / "a.csv").write_text("_id,text\n1,a\n")
    assert [row.id for row in read_documents(tmp_path, ReadOptions(layout="csv"))] == ["1", "2"]


def test_a_folder_of_json_lines_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"id": 2, "text": "b"}\n')
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1, "text": "a"}\n'))
    (tmp_path / "c.ndjson").write_text("broken\n")
    with pytest.raises(SourceError, match=r"c\.ndjson:1: not JSON"):
        list(read_documents(tmp_path))
    assert [row.id for row in read_documents(tmp_path, ReadOptions(on_error="skip"))] == ["1", "2"]


def test_a_beir_folder(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "query"}\n')
    (tmp_path / "corpus.jsonl").write_text(BEIR_LINE)
    assert list(read_documents(tmp_path)) == [BEIR_DOCUMENT]
    (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(BEIR_LINE.encode()))
    assert list(read_documents(tmp_path)) == [BEIR_DOCUMENT]
    (tmp_path / "corpus.jsonl").unlink()
    assert list(read_documents(tmp_path)) == [BEIR_DOCUMENT]


def test_empty_sources_have_no_documents(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text("\n\n")
    assert list(read_documents(tmp_path)) == []
    assert list(read_documents(tmp_path / "corpus.jsonl")) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch(mode=0o000)
    assert refusal(tmp_path / "a.jsonl").startswith(f"{tmp_path / 'a.jsonl'}: cannot be read (Permission denied)")


def test_a_folder_that_may_not_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    layouts: tuple[Layout | None, ...] = (None, "beir", "text", "parquet")
    for layout in layouts:
        message = refusal(tmp_path, layout)
        assert message.startswith(f"{tmp_path}: the folder cannot be listed (Permission denied)")


def test_a_broken_link_in_a_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "gone.txt")
    assert refusal(tmp_path).startswith(f"{tmp_path / 'a.txt'}: cannot be read (No such file or directory)")


def test_importing_the_readers_loads_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "pyarrow", "zstandard", "datasets"}
    code = f"import sys, tart.readers; print(*({heavy} & sys.modules.keys()))"
    home = Path(tart.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=home)
    assert result.stdout == "\n"


def test_every_layout_gives_the_same_document(tmp_path: Path) -> None:
    row = {"id": "1", "title": "T", "text": "body", "year": "1999"}
    want = Document("1", "body", "T", {"year": "1999"})
    pq.write_table(pa.table({name: [value] for name, value in row.items()}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    (tmp_path / "a.tsv").write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    (tmp_path / "a.jsonl").write_text('{"id": "1", "title": "T", "text": "body", "year": "1999"}')
    for name in ("a.parquet", "a.csv", "a.tsv", "a.jsonl"):
        assert list(read_documents(tmp_path / name)) == [want]
