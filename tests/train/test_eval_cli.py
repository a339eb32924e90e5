"""The command `tart eval`, with the shipped model on three sets of a few documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tart.errors import DependencyError, ModelError, TartError
from tart_train.eval_cli import evaluate
from tart_train.evaluation.levels import read_levels
from tart_train.evaluation.many_values import _repeated
from tart_train.examples import DataError
from tests.tiny_models import tiny_cross_encoder, tiny_encoder
from tests.train.small_world import colours, fruit, tools

MODEL = "all-MiniLM-L6-v2"
FAST = ("--dtype", "float32", "--threads", "1", "--paraphrases", "2")


def run(*arguments: object) -> Result:
    """Runs the command in this process."""
    result = CliRunner().invoke(evaluate, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, (TartError, SystemExit)):
        raise result.exception
    return result


def told(*arguments: object) -> dict[str, Any]:
    """What a command says as JSON."""
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    body: dict[str, Any] = json.loads(result.stdout)
    return body


def test_the_shipped_model_on_small_sets(tmp_path: Path) -> None:
    first, second, third = fruit(tmp_path / "data"), tools(tmp_path / "data"), colours(tmp_path / "contrast")
    levels = tmp_path / "levels.yaml"
    levels.write_text("fruit: held-out task\ntools: held-out instance\n")
    out = tmp_path / "out"
    body = told(MODEL, "--sets", first, second, "--contrast", third, "--levels", levels, "--out", out, *FAST, "--json")
    assert body == json.loads((out / "report.json").read_text())
    assert list(body["sets"]) == ["fruit", "tools"]
    assert body["sets"]["fruit"]["figures"]["bare"]["closed"]["ndcg@10"]["value"] > 90
    assert body["contrast"]["colours"]["figures"]["pair_accuracy"]["value"] >= 50
    assert list(body["levels"]) == ["held-out task", "held-out instance"]
    assert body["model"]["name"] == MODEL
    # The same as a table, from the folder of folders, with every vector there already.
    shown = run("run", MODEL, "--sets", tmp_path / "data", "--out", out, *FAST, "--runs", "none")
    assert "fruit" in shown.output
    assert "mean" in shown.output
    # Two models by name: both are evaluated first.
    asked = ("--sets", first, "--out", tmp_path / "two", *FAST[:4])
    both = told("compare", MODEL, MODEL, *asked, "--format", "json")
    assert both["sets"]["right/closed/ndcg@10"][-1]["p"] == 1
    assert (tmp_path / "two" / "b" / "report.html").is_file()
    table = run("compare", out, tmp_path / "two" / "b")
    assert "right/closed/ndcg@10" in table.output
    markdown = run("compare", out, tmp_path / "two" / "b", "--format", "markdown", "--out", tmp_path / "c")
    assert markdown.output.strip() == (tmp_path / "c" / "compare.md").read_text().strip()


def test_a_reranker_by_name(tmp_path: Path) -> None:
    folder, contrast = fruit(tmp_path / "data"), colours(tmp_path / "contrast")
    model, reranker = tiny_encoder(tmp_path / "model"), tiny_cross_encoder(tmp_path / "reranker")
    named = ("--rerank", reranker, "--rerank-depth", 3)
    body = told(model, "--sets", folder, "--contrast", contrast, *named, "--out", tmp_path / "out", *FAST[:4], "--json")
    assert body["reranker"]["fingerprint"].startswith("sha256:")
    assert "right+rerank" in body["mean"]
    assert (tmp_path / "out" / "runs" / "fruit.right+rerank.closed.trec").is_file()


def test_options_of_many_values() -> None:
    names = {"--sets", "--contrast"}
    given = ["m", "--sets", "a", "b", "c", "--out", "o", "--contrast", "d", "e", "--sets=f", "-"]
    wanted = ["m", "--sets", "a", "--sets", "b", "--sets", "c", "--out", "o", "--contrast", "d", "--contrast", "e"]
    assert _repeated(given, names) == [*wanted, "--sets=f", "-"]


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    folder = fruit(tmp_path / "data")
    missing = run(MODEL, "--sets", tmp_path / "gone", "--out", tmp_path / "out")
    assert isinstance(missing.exception, DataError)
    reranker = tiny_cross_encoder(tmp_path / "reranker")
    refused = run(reranker, "--sets", folder, "--out", tmp_path / "out")
    assert isinstance(refused.exception, ModelError)
    assert "which gives no text vectors" in str(refused.exception)
    models = run("compare", MODEL, MODEL)
    assert isinstance(models.exception, DataError)
    assert "with --sets" in str(models.exception)
    assert run().exit_code == 2


def test_levels_files(tmp_path: Path) -> None:
    file = tmp_path / "levels.json"
    file.write_text('{"a": "held-out_category"}')
    assert read_levels(file) == {"a": "held-out category"}
    for content, message in (
        ('{"a": "new"}', "has the level 'new'; wanted one of held-out category"),
        ("[1]", "found a list"),
        ("{", "not JSON"),
    ):
        file.write_text(content)
        with pytest.raises(DataError, match=message):
            read_levels(file)
    (tmp_path / "levels.yaml").write_text("a: [")
    with pytest.raises(DataError, match="not YAML"):
        read_levels(tmp_path / "levels.yaml")
    with pytest.raises(DataError, match="cannot be read"):
        read_levels(tmp_path / "gone.json")


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    from tart_train.evaluation.measures import Judge
    from tart_train.evaluation.plots import figure_class

    monkeypatch.setitem(sys.modules, "pytrec_eval", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyError, match="no matplotlib is installed"):
        figure_class()
    with pytest.raises(DependencyError, match=r"pip install 'tart-retrieval\[train\]'"):
        Judge(["q"], {"q": {"a": 1}})
