from __future__ import annotations

import functools
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datasets import load_dataset

from tart import Encoder
from tart.errors import IndexFolderError, TartError
from tart_index.select_cli import select
from tart_index.selection import pool, preparation, scoring, vectors
from tests.index.selection.conftest import pool_rows, target_rows
from tests.tiny_models import tiny_encoder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def files(write_rows: Callable[..., Path]) -> tuple[Path, Path]:
    """A pool of 40 rows and a target of 5."""
    return write_rows("pool.jsonl", pool_rows(40)), write_rows("target.jsonl", target_rows(5))


@pytest.fixture
def command(halves: Encoder, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command with a cheap model."""
    monkeypatch.setattr(preparation.EncoderChoice, "load", lambda self, folder: halves)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(select, [str(one) for one in arguments])

    return run


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_the_folder_loads_and_tells_where_rows_come_from(
    files: tuple[Path, Path], command: Callable[..., Result], tmp_path: Path
) -> None:
    out = tmp_path / "chosen"
    done = command(files[0], "--like", files[1], "-k", 4, "--controls", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    rows = {row["_id"]: row for row in pool_rows(40)}
    provenance = lines(out / "provenance.jsonl")
    assert lines(out / "selected.jsonl") == [rows[one["id"]] for one in provenance]
    assert set(provenance[0]) == {"rank", "id", "score", "count", "target", "task", "pool"}
    assert provenance[0]["pool"] == "pool.jsonl"
    assert summary["counts"]["chosen"] == len(provenance) == summary["counts"]["candidates"]
    for folder in (out, *(out / "controls" / name for name in ("random", "balanced", "bm25"))):
        loaded = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded["_id"] == [one["id"] for one in lines(folder / "provenance.jsonl")]
        assert len(loaded) == len(provenance)
        card = json.loads((folder / "selection.json").read_text())
        assert card["fingerprint"] == summary["fingerprint"]
        assert card["control_of"] == (None if folder == out else "deft")
    assert str(tmp_path) not in (out / "selection.json").read_text()


def test_the_same_selection_is_left_as_it_is(
    files: tuple[Path, Path], command: Callable[..., Result], tmp_path: Path
) -> None:
    out = tmp_path / "chosen"
    arguments = (files[0], "--like", files[1], "-k", 4, "--out", out)
    assert command(*arguments).exit_code == 0
    before = contents(out)
    again = command(*arguments)
    assert again.exit_code == 0
    assert "unchanged" in again.output
    assert contents(out) == before
    other = command(*arguments, "--budget", 3)
    assert isinstance(other.exception, TartError)
    assert "holds another selection" in str(other.exception)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    foreign = command(files[0], "--like", files[1], "--out", tmp_path / "full")
    assert "wanted a new or empty folder" in str(foreign.exception)


def test_an_index_is_a_pool_and_vectors_are_kept(
    files: tuple[Path, Path], command: Callable[..., Result], tmp_path: Path, halves: Encoder
) -> None:
    first = command(
        files[0], "--like", files[1], "-k", 4, "--out", tmp_path / "a", "--pool-index", tmp_path / "vectors"
    )
    assert first.exit_code == 0, first.output
    assert not (tmp_path / "a.work").exists()
    second = command(tmp_path / "vectors", "--like", files[1], "-k", 4, "--out", tmp_path / "b")
    assert second.exit_code == 0, second.output
    found = [[(one["id"], one["score"], one["task"]) for one in lines(tmp_path / n / "provenance.jsonl")] for n in "ab"]
    assert found[0] == found[1]
    rows = {row["_id"]: row for row in pool_rows(40)}
    for one in lines(tmp_path / "b" / "selected.jsonl"):
        row = rows[one["id"]]
        assert (one["text"], one["target"], one["task"]) == (row["input"], row["target"], row["task"])


def test_a_dry_run_tells_the_plan_and_leaves_nothing(
    files: tuple[Path, Path], command: Callable[..., Result], tmp_path: Path
) -> None:
    done = command(files[0], "--like", files[1], "--out", tmp_path / "chosen", "--dry-run")
    assert done.exit_code == 0
    assert "plan: 40 rows in 1 parts x 5 targets; about 1 MiB besides the model; about embedding" in done.output
    assert "layout pairs: input from input, target from target, task from task, id from _id" in done.output
    assert {entry.name for entry in tmp_path.iterdir()} == {"pool.jsonl", "target.jsonl"}


def test_pool_and_target_in_one_are_refused_or_rows_left_out(
    files: tuple[Path, Path], command: Callable[..., Result], tmp_path: Path
) -> None:
    refused = command(files[0], "--like", files[0], "--out", tmp_path / "a")
    assert "pool and target are the same (pool.jsonl)" in str(refused.exception)
    left_out = command(files[0], "--like", files[0], "--exclude-targets", "--out", tmp_path / "b", "--json")
    assert json.loads(left_out.stdout)["counts"]["dropped"] == {"input of a target": 40}
    assert json.loads(left_out.stdout)["counts"]["chosen"] == 0


@pytest.mark.parametrize(
    ("given", "target", "problem"),
    [
        ([], None, "the pool pool.jsonl is empty; wanted one row or more"),
        (None, [], "the target target.jsonl has no examples; wanted 1 to 100,000"),
        ([{"input": "a"}, {"inputs": "b"}], None, "pool.jsonl:2: no field 'input'"),
        ([{"input": "a"}, {"input": ["b", 3]}], None, "pool.jsonl:2: field 'input' is ['b', 3]; wanted a text"),
        (
            None,
            [{"question": "a"}],
            "target.jsonl:1: the first row has 'question', which does not fit any known layout",
        ),
    ],
)
def test_bad_input_is_told(
    write_rows: Callable[..., Path],
    command: Callable[..., Result],
    tmp_path: Path,
    given: list[Any] | None,
    target: list[Any] | None,
    problem: str,
) -> None:
    rows = write_rows("pool.jsonl", pool_rows(40) if given is None else given)
    like = write_rows("target.jsonl", target_rows(5) if target is None else target)
    done = command(rows, "--like", like, "--out", tmp_path / "chosen")
    assert isinstance(done.exception, TartError)
    assert problem in str(done.exception)
    assert not (tmp_path / "chosen").exists()
    assert not (tmp_path / "chosen.work").exists()


def test_an_index_of_another_model_is_refused(
    files: tuple[Path, Path], command: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = (files[0], "--like", files[1], "--pool-index", tmp_path / "vectors", "--out")
    assert command(*made, tmp_path / "a").exit_code == 0
    other = Encoder.load(str(tiny_encoder(tmp_path / "model")), dtype="float32")
    monkeypatch.setattr(preparation.EncoderChoice, "load", lambda self, folder: other)
    for given in (tmp_path / "vectors", files[0]):
        keep = () if given.is_dir() else ("--pool-index", tmp_path / "vectors")
        done = command(given, "--like", files[1], *keep, "--budget", 3, "--out", tmp_path / "b")
        assert isinstance(done.exception, IndexFolderError)
        assert "was built with model 'all-MiniLM-L6-v2'" in str(done.exception)
    assert not (tmp_path / "b").exists()


# A process that selects with a cheap model in parts and blocks of eight rows, and ends itself after the third.
KILLED = """
import functools, os, signal, sys
from tart_index.selection import checkpoint, pool, preparation, ranking, vectors
from tart_index.select_cli import select
from tart_index.writer import IndexWriter
from tests.index.selection.conftest import halves_encoder

def killing(real, counter=iter(range(3))):
    def call(*arguments, **named):
        result = real(*arguments, **named)
        if next(counter) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

preparation.EncoderChoice.load = lambda self, folder: halves_encoder()
pool.BuildOptions = functools.partial(pool.BuildOptions, part_size=8)
ranking.Checkpoint = functools.partial(checkpoint.Checkpoint, seconds=0)
vectors.BLOCK = 8
if sys.argv[1] == "embedding":
    IndexWriter.write_part = killing(IndexWriter.write_part)
else:
    checkpoint.Checkpoint.save = killing(checkpoint.Checkpoint.save)
select(sys.argv[2:], standalone_mode=False)
"""


@pytest.mark.parametrize("stage", ["embedding", "scoring"])
@pytest.mark.parametrize("method", ["deft", "rds"])
def test_a_killed_run_goes_on_to_the_same_bytes(
    files: tuple[Path, Path],
    command: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    method: str,
) -> None:
    monkeypatch.setattr(pool, "BuildOptions", functools.partial(pool.BuildOptions, part_size=8))
    monkeypatch.setattr(vectors, "BLOCK", 8)
    out = tmp_path / "chosen"
    arguments = [str(one) for one in (files[0], "--like", files[1], "-k", 4, "-n", 9, "--method", method)]
    assert command(*arguments, "--out", tmp_path / "undisturbed").exit_code == 0
    script = [sys.executable, "-c", KILLED, stage, *arguments, "--out", str(out)]
    ended = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not out.exists()
    left = {entry.name for entry in (tmp_path / "chosen.work").iterdir()}
    assert ("scores.bin" in left) == (stage == "scoring")
    assert len(list((tmp_path / "chosen.work" / "index" / "parts").iterdir())) == (3 if stage == "embedding" else 5)
    resumed: list[int] = []
    real = scoring.score_pool

    def counted(*given: Any) -> None:
        real(*given[:-1], lambda rows: resumed.append(rows) or given[-1](rows))

    monkeypatch.setattr("tart_index.selection.ranking.score_pool", counted)
    assert command(*arguments, "--out", out).exit_code == 0
    assert resumed[0] == (24 if stage == "scoring" else 8)
    assert contents(out) == contents(tmp_path / "undisturbed")
