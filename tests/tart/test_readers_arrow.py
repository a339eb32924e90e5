"""Parquet files and folders, and folders saved by Hugging Face datasets."""

from __future__ import annotations

import datetime
import json
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tart.documents import Document
from tart.errors import SourceError
from tart.readers import FieldMap, ReadOptions, ReadReport, read_documents

SKIP = ReadOptions(on_error="skip")


@pytest.fixture(autouse=True)
def _no_progress() -> None:
    datasets.disable_progress_bars()


def write_parquet(path: Path, table: dict[str, Any] | pa.Table, rows_per_group: int = 1_000) -> Path:
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, row_group_size=rows_per_group)
    return path


def refusal(path: Path, options: ReadOptions = SKIP) -> str:
    with pytest.raises(SourceError) as caught:
        list(read_documents(path, options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_parquet_with_every_kind_of_column(tmp_path: Path) -> None:
    table = {
        "_id": [1, 2],
        "title": ["A", None],
        "text": ["a", "b"],
        "metadata": [{"lang": "en", "inner": {"x": 1}}, None],
        "year": pa.array([1999, None], pa.int16()),
        "score": pa.array([0.5, 1.5], pa.float32()),
        "tags": [["x", "y"], []],
        "day": [datetime.date(2020, 1, 2), None],
        "time": pa.array([datetime.datetime(2020, 1, 2, 3, 4, 5), None], pa.timestamp("s")),  # noqa: DTZ001
        "kind": pa.array(["k", "l"]).dictionary_encode(),
        "image": [b"\x00", b"\xff"],
        "deep": [[[1]], [[2]]],
        "large": pa.array(["L", "M"], pa.large_string()),
    }
    path = write_parquet(tmp_path / "corpus.parquet", table)
    first, second = read_documents(path)
    assert first == Document(
        "1",
        "a",
        "A",
        {
            "lang": "en",
            "year": 1999,
            "score": 0.5,
            "tags": ["x", "y"],
            "day": "2020-01-02",
            "time": "2020-01-02 03:04:05.000",
            "kind": "k",
            "large": "L",
        },
    )
    assert second == Document(
        "2",
        "b",
        "",
        {"year": None, "score": 1.5, "tags": [], "day": None, "time": None, "kind": "l", "large": "M"},
    )


def test_parquet_fields_are_mapped(tmp_path: Path) -> None:
    table = {
        "key": ["k"],
        "name": ["N"],
        "a": ["A"],
        "b": ["B"],
        "lang": ["en"],
        "blob": [b"x"],
        "metadata": [{"y": 1}],
    }
    path = write_parquet(tmp_path / "corpus.parquet", table)
    fields = "id=key,title=name,text=a+b,metadata="
    assert list(read_documents(path, ReadOptions(fields=FieldMap.parse(fields)))) == [Document("k", "A\nB", "N")]
    [document] = read_documents(path, ReadOptions(fields=FieldMap.parse(fields + "lang+y")))
    assert document.metadata == {"lang": "en", "y": 1}
    every = ReadOptions(fields=FieldMap.parse(fields + "*"))
    assert refusal(path, every).startswith(f"{path}:1: metadata field 'blob' is b'x'; wanted a string")


def test_a_missing_parquet_column_is_refused_even_when_rows_are_skipped(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "corpus.parquet", {"name": ["a"], "text": ["b"]})
    found = "(found: 'name', 'text'); add it or map another one with --fields"
    assert refusal(path) == f"{path}: no column 'id' {found} id=NAME"
    mapped = ReadOptions(fields=FieldMap.parse("id=name,metadata=year"))
    assert refusal(path, mapped) == f"{path}: no column 'year' {found} metadata=NAME"


def test_bad_parquet_rows_are_named_by_their_number(tmp_path: Path) -> None:
    ids = [str(number) for number in range(1, 1_301)]
    texts: list[str | None] = ["t"] * 1_300
    texts[1_199], texts[1_250], ids[600] = None, " ", ""
    scores = [1.0] * 1_300
    scores[1_299] = float("nan")
    path = write_parquet(tmp_path / "corpus.parquet", {"id": ids, "text": texts, "score": scores})
    report = ReadReport()
    assert len(list(read_documents(path, SKIP, report))) == 1_296
    assert report.messages == [
        f"{path}:601: field 'id' is empty; every document needs an id of its own",
        f"{path}:1200: no text in 'text'; give every document a text that is not blank",
        f"{path}:1251: no text in 'text'; give every document a text that is not blank",
        f"{path}:1300: metadata field 'score' is nan; wanted a finite number",
    ]
    assert refusal(path, ReadOptions()) == report.messages[0]


def test_bytes_that_are_no_utf_8_are_a_bad_row(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"caf\xe9", b"c"]).view(pa.string())
    path = write_parquet(tmp_path / "corpus.parquet", pa.table({"id": ["1", "2", "3"], "text": texts}))
    report = ReadReport()
    assert [document.id for document in read_documents(path, SKIP, report)] == ["1", "3"]
    assert report.skipped == {"bad encoding": 1}
    assert report.messages[0].startswith(f"{path}:2: holds a value that cannot be read (")


def test_a_folder_of_parquet_files_is_read_by_name(tmp_path: Path) -> None:
    for name, number in (("b.parquet", 2), ("a.parquet", 1), ("c.PARQUET", 3), (".hidden.parquet", 4)):
        write_parquet(tmp_path / name, {"id": [number], "text": ["t"]})
    (tmp_path / "README.md").write_text("no document")
    assert [document.id for document in read_documents(tmp_path)] == ["1", "2", "3"]
    write_parquet(tmp_path / "b.parquet", {"id": [5], "text": [""]})
    assert refusal(tmp_path, ReadOptions()).startswith(f"{tmp_path / 'b.parquet'}:1: no text")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.parquet"
    for data in (b"", b"id,text\n", b"PAR1" + b"x" * 100 + b"PAR1"):
        path.write_bytes(data)
        assert refusal(path).startswith(f"{path}: cannot be read as Parquet (")


def test_parquet_is_streamed_up_to_the_damage(tmp_path: Path) -> None:
    table = {"id": [str(n) for n in range(20_000)], "text": [f"{n * 7919}" * 5 for n in range(20_000)]}
    path = write_parquet(tmp_path / "corpus.parquet", table)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 5_000] = b"\xff" * 5_000
    path.write_bytes(data)
    assert [document.id for document in islice(read_documents(path), 10)] == [str(n) for n in range(10)]
    assert refusal(path).startswith(f"{path}: cannot be read as Parquet (")


def test_an_empty_parquet_file_has_no_documents(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "corpus.parquet", {"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}
    )
    assert list(read_documents(path)) == []


ROWS = {"id": ["a", "b", "c"], "text": ["A", "B", "C"], "label": [1, 2, 3], "emb": [[0.5], [1.5], [2.5]]}


def test_a_saved_dataset_is_read(tmp_path: Path) -> None:
    saved = datasets.Dataset.from_dict(ROWS)
    saved.save_to_disk(tmp_path / "plain")
    want = [Document(i, i.upper(), "", {"label": n, "emb": [n - 0.5]}) for n, i in enumerate("abc", start=1)]
    assert list(read_documents(tmp_path / "plain")) == want
    saved.save_to_disk(tmp_path / "shards", num_shards=3)
    assert list(read_documents(tmp_path / "shards")) == want
    assert list(read_documents(tmp_path / "shards", ReadOptions(layout="datasets"))) == want


def test_rows_chosen_from_a_dataset_are_those_that_are_read(tmp_path: Path) -> None:
    chosen = datasets.Dataset.from_dict(ROWS).shuffle(seed=3).select([2, 0])
    chosen.save_to_disk(tmp_path / "chosen")
    assert [document.id for document in read_documents(tmp_path / "chosen")] == list(chosen["id"])


def test_a_saved_dataset_agrees_with_the_library(tmp_path: Path) -> None:
    count = 2_500
    rows = {
        "id": list(range(count)),
        "text": [f"text {n}" for n in range(count)],
        "title": ["T"] * count,
        "kind": [n % 3 for n in range(count)],
        "pair": [{"x": n} for n in range(count)],
    }
    features = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "text": datasets.Value("large_string"),
            "title": datasets.Value("string"),
            "kind": datasets.ClassLabel(names=["a", "b", "c"]),
            "pair": {"x": datasets.Value("int32")},
        }
    )
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "d", num_shards=2)
    want = [
        Document(str(row["id"]), row["text"], row["title"], {"kind": row["kind"]})
        for row in datasets.load_from_disk(tmp_path / "d")
    ]
    assert list(read_documents(tmp_path / "d")) == want


def test_a_saved_dataset_dict_gives_its_splits_in_order(tmp_path: Path) -> None:
    train = datasets.Dataset.from_dict({"id": ["1", "2"], "text": ["a", "b"]})
    test = datasets.Dataset.from_dict({"id": ["3"], "text": ["c"]})
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(tmp_path / "d")
    got = list(read_documents(tmp_path / "d"))
    assert got == [
        Document("1", "a", "", {"split": "train"}),
        Document("2", "b", "", {"split": "train"}),
        Document("3", "c", "", {"split": "test"}),
    ]
    named = ReadOptions(fields=FieldMap(metadata=("split",)))
    assert list(read_documents(tmp_path / "d", named)) == got
    bare = ReadOptions(fields=FieldMap(metadata=()))
    assert [document.metadata for document in read_documents(tmp_path / "d", bare)] == [{}, {}, {}]
    assert [document.id for document in read_documents(tmp_path / "d" / "test")] == ["3"]


def test_a_saved_dataset_without_ids_says_so(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": ["a"], "url": ["u"]}).save_to_disk(tmp_path / "d")
    [arrow] = (tmp_path / "d").glob("*.arrow")
    assert refusal(tmp_path / "d") == (
        f"{arrow}: no column 'id' (found: 'text', 'url'); add it or map another one with --fields id=NAME"
    )
    [document] = read_documents(tmp_path / "d", ReadOptions(fields=FieldMap(id="url")))
    assert document == Document("u", "a")


def test_bad_dataset_rows_are_named_by_their_number(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"id": ["1", "2"], "text": ["a", ""]}).save_to_disk(tmp_path / "d")
    [arrow] = (tmp_path / "d").glob("*.arrow")
    assert refusal(tmp_path / "d", ReadOptions()).startswith(f"{arrow}:2: no text in 'text'")
    assert len(list(read_documents(tmp_path / "d", SKIP))) == 1


def test_a_damaged_dataset_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    datasets.Dataset.from_dict(ROWS).save_to_disk(folder)
    [arrow] = folder.glob("*.arrow")
    whole, state = arrow.read_bytes(), json.loads((folder / "state.json").read_text())
    for damaged in (whole[:200], b"", b"no arrow at all, but some bytes"):
        arrow.write_bytes(damaged)
        assert refusal(folder).startswith(f"{arrow}: cannot be read as an Arrow stream (")
    arrow.unlink()
    assert refusal(folder).startswith(f"{arrow}: cannot be read as an Arrow stream (")
    for text, part in (
        ("{", "is no JSON ("),
        ("[]", "holds no JSON object"),
        ("{}", "does not list its files or splits as save_to_disk does"),
        (json.dumps({"_data_files": [{"filename": "../data.arrow"}]}), "does not list its files or splits"),
        (json.dumps(state | {"_indices_data_files": [{"filename": "i.arrow"}]}), "flatten_indices()"),
    ):
        (folder / "state.json").write_text(text)
        message = refusal(folder)
        assert message.startswith(f"{folder / 'state.json'}: ")
        assert part in message
    (folder / "dataset_dict.json").write_text('{"splits": ["gone"]}')
    assert refusal(folder).startswith(f"{folder / 'gone' / 'state.json'}: cannot be read (No such file")


def test_a_large_row_group_is_not_held_in_memory(tmp_path: Path) -> None:
    texts = [f"{n:05}" * 200 for n in range(20_000)]
    table = pa.table({"id": [str(n) for n in range(20_000)], "text": texts})
    path = tmp_path / "corpus.parquet"
    pq.write_table(table, path, row_group_size=20_000, compression="none", use_dictionary=False)
    del table
    assert path.stat().st_size > 20_000_000
    before = pa.total_allocated_bytes()
    documents = read_documents(path)
    assert next(documents) == Document("0", texts[0])
    assert pa.total_allocated_bytes() - before < 6_000_000
    assert [document.text for document in documents] == texts[1:]
