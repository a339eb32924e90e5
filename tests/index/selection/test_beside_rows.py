"""What lies beside the rows of a selection: a report of the real run, and rows that trainers load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import load_dataset

from tart.encoder import Encoder
from tart_index.selection.options import SelectionOptions
from tart_index.selection.output import write_selection
from tart_index.selection.preparation import Asked, prepared
from tart_index.selection.report_run import beside_rows, facts_of

TOPICS = {"cooking": ("bread", "soup", "cake", "rice"), "space": ("the moon", "Mars", "a comet", "Saturn")}
POOL = [
    {"id": f"{task}-{place}", "task": task, "inputs": f"Tell me something about {thing} in {task}.", "targets": thing}
    for task, things in TOPICS.items()
    for place, thing in enumerate(things)
]
TARGET = [{"id": "t1", "inputs": "How do I bake a loaf of bread?"}, {"id": "t2", "inputs": "What goes into a soup?"}]


@pytest.fixture(scope="module")
def folder(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("selection") / "chosen"
    options = SelectionOptions(method="rds", budget=3)
    with prepared(Asked(POOL, TARGET, options, encoder, controls=True), tmp_path_factory.mktemp("work")) as ready:
        run = ready.run()
        write_selection(run, out, beside_rows(run))
    return out


def test_the_folder_loads_as_it_is(folder: Path, tmp_path: Path) -> None:
    rows = load_dataset(str(folder), split="train", cache_dir=str(tmp_path))
    assert rows.column_names == ["id", "task", "inputs", "targets"]
    assert set(rows["task"]) == {"cooking"}
    pairs = load_dataset("json", data_files=str(folder / "sft.jsonl"), split="train", cache_dir=str(tmp_path))
    assert pairs["prompt"] == rows["inputs"]
    assert pairs["completion"] == rows["targets"]


def test_controls_have_rows_for_trainers_too(folder: Path) -> None:
    for name in ("random", "balanced", "bm25"):
        lines = (folder / "controls" / name / "sft.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 3
        assert set(json.loads(lines[0])) == {"prompt", "completion"}


def test_the_report_tells_of_the_run(folder: Path) -> None:
    told = (folder / "report.md").read_text(encoding="utf-8")
    assert "3 of 8 candidates chosen by rds" in told
    assert "| cooking | 3 | 50.0 | 100.0 |" in told
    card = json.loads((folder / "selection.json").read_text(encoding="utf-8"))
    assert f"| fingerprint | {card['fingerprint']} |" in told
    assert "| seed | 0 |" in told
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "How do I bake a loaf of bread?" in page
    assert page.count('<circle class="pool"') == 8


def test_without_vectors_there_is_no_map(encoder: Encoder, tmp_path: Path) -> None:
    with prepared(Asked(POOL, TARGET, SelectionOptions(method="random", budget=3), encoder), tmp_path) as ready:
        assert facts_of(ready.run()).vectors is None


def test_the_two_random_controls_are_draws_of_their_own(encoder: Encoder, tmp_path: Path) -> None:
    pool = [{"id": f"{row:03}", "task": str(row % 100), "inputs": f"row {row}", "targets": "x"} for row in range(1_000)]
    found = {}
    for method in ("random", "balanced"):
        options = SelectionOptions(method=method, budget=100)
        with prepared(Asked(pool, TARGET, options, encoder), tmp_path / method) as ready:
            found[method] = set(ready.run().selection.rows)
    # By chance 10 of 100 are the same; from one draw it was most.
    assert len(found["random"] & found["balanced"]) < 30
