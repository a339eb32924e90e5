"""Rows as trainers want them: the columns that TRL reads, whatever layout the pool has."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tart_index.selection.chosen import Chosen, Selection
from tart_index.selection.examples import Example, example_from_row
from tart_index.selection.fields import ExampleFields
from tart_index.selection.layouts import row_layout
from tart_index.selection.training_rows import training_row, write_training_rows

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def read(row: dict[str, Any]) -> Example:
    return example_from_row(row, row_layout(list(row), None, ExampleFields()), 0)


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"inputs": "2 + 2?", "targets": "4"}, {"prompt": "2 + 2?", "completion": "4"}),
        (
            {"instruction": "Add.", "input": "2 and 2", "output": "4"},
            {"prompt": "Add.\n\n2 and 2", "completion": "4"},
        ),
        (
            {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
            {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]},
        ),
        (
            {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"},
                          {"role": "assistant", "content": [{"type": "text", "text": "hello"}]}]},
            {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"},
                          {"role": "assistant", "content": "hello"}]},
        ),
        ({"inputs": "no answer"}, None),
        ({"messages": [{"role": "user", "content": "no answer"}]}, None),
    ],
)  # fmt: skip
def test_every_layout_gives_the_columns_of_trl(row: dict[str, Any], wanted: dict[str, Any] | None) -> None:
    assert training_row(read(row)) == wanted


def selection(count: int) -> Selection:
    rows = tuple(Chosen(rank, count - rank, f"r{rank}", 0.5, 1, "t", None, "p") for rank in range(1, count + 1))
    return Selection("deft", rows, count)


def test_rows_are_written_best_first_and_those_without_an_answer_left_out(tmp_path: Path) -> None:
    pool = [{"inputs": "a", "targets": "1"}, {"inputs": "b"}, {"inputs": "ü\n", "targets": "3"}]
    assert write_training_rows(tmp_path, selection(3), lambda row: read(pool[row])) == 2
    lines = (tmp_path / "sft.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"prompt": "ü\n", "completion": "3"},
        {"prompt": "a", "completion": "1"},
    ]


def test_without_answers_there_is_no_file(tmp_path: Path) -> None:
    assert write_training_rows(tmp_path, selection(2), lambda _: read({"inputs": "b"})) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_examples_load_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    pool = [{"inputs": f"question {row}", "targets": f"{row}"} for row in range(4)]
    write_training_rows(tmp_path, selection(4), lambda row: read(pool[row]))
    spec = importlib.util.spec_from_file_location("sft_trl", EXAMPLES / "sft_trl.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded = module.training_set(str(tmp_path))
    assert loaded.column_names == ["prompt", "completion"]
    assert loaded["completion"] == ["3", "2", "1", "0"]
    [given] = yaml.safe_load((EXAMPLES / "sft_axolotl.yaml").read_text())["datasets"]
    assert [given["type"][name] for name in ("field_instruction", "field_output")] == loaded.column_names
    assert given["path"] == "chosen/sft.jsonl"
