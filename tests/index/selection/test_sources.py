from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from tart.errors import SourceError
from tart.readers.rows import RowError
from tart_index.selection import LAYOUT_NAMES, Example, ExampleFields, Reading
from tart_index.selection.examples import example_from_row
from tart_index.selection.layouts import row_layout
from tart_index.selection.sources import ReadAccount, Source

CHAT = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": [{"type": "text", "text": "Sum 1 2"}, {"type": "image_url", "image_url": {}}]},
    {"role": "assistant", "content": "3"},
]
SHARED = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": "Bye"}]


def read(row: dict[str, Any], reading: Reading | None = None) -> tuple[str, Example]:
    reading = reading or Reading()
    layout = row_layout(row, reading.layout, reading.fields)
    return layout.name, example_from_row(row, layout, 7)


@pytest.mark.parametrize(
    ("row", "layout", "asked", "answered", "task", "row_id"),
    [
        ({"messages": CHAT, "id": 5}, "messages", "Be short.\n\nHi\n\nHello\n\nSum 1 2", "3", None, "5"),
        ({"messages": CHAT[:2]}, "messages", "Be short.\n\nHi", None, None, "row-000000007"),
        ({"conversations": SHARED}, "sharegpt", "Hi", "Hello", None, "row-000000007"),
        (
            {"definition": ["Sort."], "inputs": "b a", "targets": ["a b"], "task_name": "task1", "id": "x"},
            "super-ni",
            "Sort.\n\nb a",
            "a b",
            "task1",
            "x",
        ),
        ({"instruction": "Sort.", "input": "", "output": "-"}, "alpaca", "Sort.", "-", None, "row-000000007"),
        ({"instruction": "Sort.", "input": "b a", "output": "a b"}, "alpaca", "Sort.\n\nb a", "a b", None, None),
        ({"instruction": "Sort."}, "alpaca", "Sort.", None, None, None),
        (
            {"inputs": [1, 2], "inputs_pretokenized": "b a", "targets_pretokenized": "a b"},
            "p3",
            "b a",
            "a b",
            None,
            None,
        ),
        ({"inputs": "b a", "targets": "a b", "task_source": "Flan", "task_name": "t"}, "flan", "b a", "a b", "t", None),
        ({"inputs": "b a", "targets": "a b"}, "t0", "b a", "a b", None, None),
        ({"_id": "q", "task": 4, "input": "b a", "target": 1}, "pairs", "b a", "1", "4", "q"),
        ({"prompt": "b a", "completion": "a b"}, "prompt", "b a", "a b", None, None),
        ({"text": "b a"}, "text", "b a", None, None, None),
    ],
)
def test_layouts_are_recognised(
    row: dict[str, Any], layout: str, asked: str, answered: str | None, task: str | None, row_id: str | None
) -> None:
    name, example = read(row)
    assert (name, example.input, example.target, example.task) == (layout, asked, answered, task)
    assert example.id == (row_id or "row-000000007")
    assert example.values is row


def test_mapped_fields_win_over_the_layout() -> None:
    row = {"q": "why", "context": "sky", "input": "no", "answer": "blue", "name": "qa", "key": 9}
    fields = ExampleFields.parse("input=q+context, target=answer, task=name, id=key")
    name, example = read(row, Reading(fields))
    assert name == "fields"
    assert example[:4] == ("9", "why\n\nsky", "blue", "qa")
    named, alpaca = read(
        {"instruction": "Sort", "input": "b", "label": "x"}, Reading(ExampleFields.parse("target=label"))
    )
    assert (named, alpaca.input, alpaca.target) == ("alpaca", "Sort\n\nb", "x")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("input", "found 'input'; wanted PART=FIELD"),
        ("text=x", "an example has no part 'text'; wanted one of input, target, task, id"),
        ("input=a,input=b", "'input' stands twice"),
        ("input=a++b", "a field name is empty"),
    ],
)
def test_a_malformed_field_map_is_refused(text: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem.replace("+", r"\+")):
        ExampleFields.parse(text)


def test_an_unknown_layout_and_unknown_fields_are_refused() -> None:
    with pytest.raises(SourceError, match="there is no layout 'parrot'; wanted one of messages"):
        row_layout(["input"], "parrot", ExampleFields())
    with pytest.raises(
        SourceError, match=r"the first row has 'a', 'b', which does not fit any known layout .*--fields"
    ):
        row_layout(["a", "b"], None, ExampleFields())
    with pytest.raises(SourceError, match="does not fit layout alpaca"):
        row_layout(["input"], "alpaca", ExampleFields())
    assert set(LAYOUT_NAMES) >= {"p3", "flan", "super-ni", "alpaca", "sharegpt", "messages", "t0"}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"input": 17}, "field 'input' is 17; wanted a text"),
        ({"input": " \n"}, "no text in 'input'"),
        ({"inputs": "x"}, r"no field 'input' \(found: 'inputs'\); map one with --fields input=NAME"),
        ({"input": "half \ud800"}, "half of a surrogate pair"),
        ({"input": "x", "target": {"a": 1}}, "field 'target' is .*; wanted a text"),
    ],
)
def test_a_row_that_is_no_example_says_why(row: dict[str, Any], problem: str) -> None:
    layout = row_layout(["input", "target"], None, ExampleFields())
    with pytest.raises(RowError, match=problem):
        example_from_row(row, layout, 0)


@pytest.mark.parametrize(
    "turns", [[], "Hi", [{"role": "user"}], [{"content": "Hi"}], ["Hi"], [{"role": "user", "content": 3}]]
)
def test_a_conversation_that_is_none_says_so(turns: object) -> None:
    layout = row_layout(["messages"], None, ExampleFields())
    with pytest.raises(RowError, match="'messages'"):
        example_from_row({"messages": turns}, layout, 0)


def test_bad_rows_stop_or_are_counted(write_rows: Callable[..., Path]) -> None:
    rows = [{"id": 1, "input": "a"}, {"id": 2, "input": 5}, {"id": 1, "input": "b"}, {"id": 3, "input": "c"}]
    source = Source.of(write_rows("p.jsonl", rows), "pool")
    with pytest.raises(SourceError, match=r"p\.jsonl:2: field 'input' is 5; wanted a text"):
        list(source.examples(Reading()))
    account = ReadAccount()
    assert [one.id for one in source.examples(Reading(on_error="skip"), account)] == ["1", "3"]
    assert account.skipped == 2
    assert "the id '1' stands a second time" in account.messages[1]


def test_all_kinds_of_source_give_the_same_examples(tmp_path: Path) -> None:
    rows = [{"_id": f"r{n}", "task": "t", "input": f"text {n}", "messages_like": [{"a": n}]} for n in range(5)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "p.jsonl").write_text(lines)
    (tmp_path / "p.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    data = Dataset.from_list(rows)
    data.save_to_disk(str(tmp_path / "saved"))
    given = [tmp_path / name for name in ("p.jsonl", "p.jsonl.gz", "p.parquet", "saved")]
    for source in (*given, data, rows, iter(rows)):
        opened = Source.of(source, "pool")
        assert [one.values for one in opened.examples(Reading())] == rows
        assert opened.sha256() == opened.sha256()


def test_a_source_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,input\n1,a\n")
    with pytest.raises(SourceError, match="found csv; wanted JSON lines"):
        list(Source.of(tmp_path / "p.csv", "pool").examples(Reading()))
    with pytest.raises(SourceError, match="no such file or folder"):
        Source.of(tmp_path / "none", "pool")
