from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tart.errors import TartError
from tart_train.data_cli import data
from tart_train.dataset import RetrievalSet


def run(*arguments: object) -> Result:
    """Runs the command in this process."""
    result = CliRunner().invoke(data, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, (TartError, SystemExit)):
        raise result.exception
    return result


def said(*arguments: object) -> list[dict[str, Any]]:
    """What a command says as JSON lines."""
    return [json.loads(line) for line in run(*arguments, "--json").stdout.splitlines()]


def test_list(dataset_folder: Any, tmp_path: Path) -> None:
    dataset_folder("sets/one", card={"name": "one", "unit": "snippet"})
    dataset_folder("sets/two", card={"name": "two", "licence_class": "research"}, gz=True)
    lines = run("list", tmp_path / "sets").stdout.splitlines()
    assert re.split(r"  +", lines[0])[:5] == ["name", "documents", "queries", "judgments", "licence class"]
    assert lines[1].split() == ["one", "3", "2", "3", "open", "snippet"]
    assert lines[-1] == "2 sets, 6 documents, 4 queries, 6 judgments"
    rows = said("list", tmp_path / "sets")
    assert [(row["name"], row["documents"], row["licence_class"]) for row in rows] == [
        ("one", 3, "open"),
        ("two", 3, "research"),
    ]
    assert [row["name"] for row in said("list", tmp_path / "sets", "--licence-class", "research")] == ["two"]


def test_show(dataset_folder: Any) -> None:
    folder = dataset_folder(
        queries=[{"_id": "q1", "text": "sort\nnumbers", "instruction": "Find prose", "group": "g"}],
        card={"intent": "find help", "instructions": ["Find the help text"], "held_out_instructions": ["help text"]},
    )
    told = run("show", folder).stdout
    for part in (
        "find help",
        "train (1)\n  Find the help text",
        "held out (1)",
        "query q1  sort numbers",
        "Find prose",
    ):
        assert part in told
    assert "grade 1 d1  [Sorting] How to sort" in told
    assert "grade 0 d2  def sort" in told
    (body,) = said("show", folder, "--rows", 1)
    assert body["rows"][0]["query"] == "sort\nnumbers"
    assert body["instructions"] == {"train": ["Find the help text"], "held_out": ["help text"]}
    assert said("show", folder, "--rows", 0)[0]["rows"] == []


def test_show_of_a_packaged_facet_set(dataset_folder: Any) -> None:
    told = run("show", dataset_folder("s", card={"name": "debate_stance"})).stdout
    assert "facets (2)\n  for: in favour of the claim," in told


def test_check_of_a_good_set(dataset_folder: Any) -> None:
    folder = dataset_folder()
    result = run("check", folder)
    assert result.exit_code == 0
    assert result.stdout.startswith("toy: no faults, no leaks\n")
    (body,) = said("check", folder)
    assert (body["faults"]["count"], body["leaks"]["count"], body["statistics"]["judgments"]) == (0, 0, 3)


def test_check_tells_faults_and_leaks_and_fails(dataset_folder: Any) -> None:
    evaluation = dataset_folder("evaluation")
    folder = dataset_folder("train", qrels=["q1\td1\t1", "q2\td8\t1", "q2\td9\t1"])
    result = run("check", folder, "--against", evaluation, "--limit", 1)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "train: 3 faults, 5 leaks"
    assert lines[-5:] == [
        "  fault: unknown document, 2 times",
        "  fault: unanswered query, 1 times",
        "  leak: evaluation, 3 as document, 2 as query",
        f"  {folder / 'qrels.tsv'}:3: there is no document 'd8' in corpus.jsonl; add it or drop the row",
        f"  {folder / 'corpus.jsonl'}:1: document 'd1' equals document 'd1' of evaluation; drop it from training",
    ]
    (body,) = said("check", folder, "--against", evaluation, "--limit", 0)
    assert body["faults"]["by_kind"] == {"unknown document": 2, "unanswered query": 1}
    assert body["leaks"]["by_set"] == {"evaluation": {"document": 3, "query": 2}}
    assert (len(body["faults"]["first"]), len(body["leaks"]["first"])) == (3, 5)


def test_a_set_is_not_compared_with_itself(dataset_folder: Any, tmp_path: Path) -> None:
    one = dataset_folder("sets/one", card={"name": "one"})
    assert run("check", one, "--against", one).exit_code == 0
    dataset_folder("sets/two", card={"name": "two"})
    bodies = said("check", tmp_path / "sets", "--against", tmp_path / "sets")
    assert [list(body["leaks"]["by_set"]) for body in bodies] == [["two"], ["one"]]


def test_containment_wants_something_to_compare_with(dataset_folder: Any) -> None:
    result = run("check", dataset_folder(), "--containment", 0.5)
    assert result.exit_code == 2
    assert "name one with --against" in result.stderr


@pytest.mark.parametrize("command", ["list", "show", "check"])
def test_what_is_no_set_is_one_line(tmp_path: Path, command: str) -> None:
    result = run(command, tmp_path)
    assert isinstance(result.exception, TartError)
    assert "corpus.jsonl" in str(result.exception)
    assert "\n" not in str(result.exception)


def test_convert_there_and_back(dataset_folder: Any, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    folder = dataset_folder(
        queries=[
            {
                "_id": "q1",
                "text": "sort \u00e9",
                "instruction": "Find code",
                "group": "g",
                "metadata": {"n": [1, None]},
            },
            {"_id": "q2", "text": "merge dicts"},
        ]
    )
    saved, back = tmp_path / "out" / "saved", tmp_path / "out" / "back"
    assert "saved datasets" in run("convert", folder, saved).stdout
    assert "a BEIR folder" in run("convert", saved, back).stdout
    before, after = RetrievalSet.open(folder), RetrievalSet.open(back)
    assert (before.card, before.qrels()) == (after.card, after.qrels())
    assert list(before.documents()) == list(after.documents())
    assert list(before.queries()) == list(after.queries())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["back", "saved"]
    again = tmp_path / "again"
    run("convert", saved, again)
    assert (again / "corpus.jsonl.gz").read_bytes() == (back / "corpus.jsonl.gz").read_bytes()


def test_convert_reads_the_columns_of_others(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    parts = {
        "corpus": {"_id": ["1"], "title": ["t"], "text": ["x"], "lang": ["en"]},
        "queries": {"_id": ["q"], "text": ["y"]},
        "qrels": {"query-id": ["q"], "corpus-id": ["1"], "score": [1]},
    }
    for part, columns in parts.items():
        datasets.Dataset.from_dict(columns).save_to_disk(str(tmp_path / "in" / part))
    run("convert", tmp_path / "in", tmp_path / "out")
    with gzip.open(tmp_path / "out" / "corpus.jsonl.gz", "rt") as file:
        assert json.loads(file.read()) == {"_id": "1", "title": "t", "text": "x", "metadata": {"lang": "en"}}
    assert RetrievalSet.open(tmp_path / "out").qrels() == {"q": {"1": 1}}


def test_a_conversion_that_fails_leaves_nothing(dataset_folder: Any, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    folder = dataset_folder(qrels=["q1\td1\tx"])
    result = run("convert", folder, tmp_path / "out")
    assert "'x'" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


@pytest.mark.parametrize(
    ("source", "out", "message"),
    [
        ("nothing", "out", "no such folder"),
        ("empty", "out", "neither a BEIR folder"),
        ("toy", "empty/file", "there is something already"),
        ("toy", "toy", "there is something already"),
    ],
)
def test_convert_refuses_in_one_line(dataset_folder: Any, tmp_path: Path, source: str, out: str, message: str) -> None:
    dataset_folder()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "file").write_text("precious")
    result = run("convert", tmp_path / source, tmp_path / out)
    assert isinstance(result.exception, TartError)
    assert message in str(result.exception)
    assert (tmp_path / "empty" / "file").read_text() == "precious"


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["check"], ["convert"]])
def test_help_has_examples(command: list[str]) -> None:
    told = run(*command, "--help").stdout
    assert not command or f"tart data {command[0]} " in told


def test_the_command_loads_without_heavy_libraries() -> None:
    heavy = "{'torch', 'transformers', 'datasets', 'pyarrow', 'numpy', 'rich', 'yaml'}"
    code = f"import sys, tart_train.data_cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
