"""A run that stops, is killed or finds the disk full goes on as if nothing had happened."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tart_train.checkpoints import CheckpointError, checkpoints
from tart_train.dual import DualRun
from tart_train.dual_recipe import DualRecipe
from tart_train.recipe import read_recipe
from tart_train.training_log import read_metrics
from tests.train.tiny import recipe_file, workshop

ROOT = Path(__file__).parents[2]
TIMED = ("tokens_per_second",)


def run_in(folder: Path, out: str) -> DualRun:
    return DualRun(read_recipe(folder / "recipe.yaml", DualRecipe), folder / out, folder, device="cpu", threads=1)


def curve(folder: Path) -> list[dict[str, Any]]:
    """Everything that was logged but the time it took."""
    return [{name: value for name, value in row.items() if name not in TIMED} for row in read_metrics(folder)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that nothing disturbed."""
    folder = workshop(tmp_path_factory.mktemp("whole"))
    result = run_in(folder, "whole").train()
    assert (result.step, result.finished) == (6, True)
    assert [row["step"] for row in curve(folder / "whole")] == [1, 2, 3, 4, 5, 6]
    return folder


def same(folder: Path, out: str) -> None:
    assert curve(folder / out) == curve(folder / "whole")
    ours, theirs = (load_file(folder / name / "model" / "adapter_model.safetensors") for name in (out, "whole"))
    assert ours.keys() == theirs.keys()
    assert all(ours[name].equal(theirs[name]) for name in ours)


def test_an_exception_in_a_step_changes_nothing(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tart_train.grad_cache import GradCache

    honest, calls = GradCache.step, []

    def failing(self: GradCache, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return honest(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(GradCache, "step", failing)
        with pytest.raises(KeyboardInterrupt):
            run_in(whole, "stopped").train()
    assert [path.name for path in checkpoints(whole / "stopped")] == ["checkpoint-2"]
    assert len(curve(whole / "stopped")) == 3
    run_in(whole, "stopped").train()
    same(whole, "stopped")


def test_a_kill_changes_nothing(whole: Path) -> None:
    code = (
        "import sys, time; from tart_train.pace import Pace; from tart_train import grad_cache\n"
        "honest = grad_cache.GradCache.step\n"
        "def slow(self, *a):\n    time.sleep(0.3); return honest(self, *a)\n"
        "grad_cache.GradCache.step = slow\n"
        "from tart_train.train_cli import train\n"
        "train(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "dual", str(whole / "recipe.yaml"), "--out", str(whole / "killed")]
    paths = os.pathsep.join(str(ROOT / part) for part in ("", "index", "train"))
    environment = {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen([*command, "--threads", "1", "--device", "cpu"], env=environment)
    deadline = time.monotonic() + 60
    while len(read_metrics(whole / "killed")) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = checkpoints(whole / "killed")
    assert found
    assert found[-1].name != "checkpoint-6"
    run_in(whole, "killed").train()
    same(whole, "killed")


def test_another_recipe_is_refused(whole: Path, tmp_path: Path) -> None:
    recipe_file(whole, seed=1, optimizer={"schedule": "linear"})
    try:
        with pytest.raises(CheckpointError, match=r"differs in optimizer\.schedule, seed; .*--fresh"):
            run_in(whole, "whole").train()
    finally:
        recipe_file(whole)


def test_a_full_disk_leaves_the_previous_checkpoint(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tart_train import trainer

    saves = []

    def save(tensors: Any, file: Path) -> None:
        from safetensors.torch import save_file

        saves.append(file)
        if len(saves) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(tensors, file)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_file", save)
        with pytest.raises(CheckpointError, match=r"checkpoint-4: cannot be written .*No space left"):
            run_in(whole, "full").train()
    assert [path.name for path in (whole / "full").iterdir() if "checkpoint" in path.name] == ["checkpoint-2"]
    run_in(whole, "full").train()
    same(whole, "full")


def test_a_time_limit_stops_cleanly(whole: Path) -> None:
    result = run_in(whole, "timed").train(max_minutes=1e-9)
    assert (result.step, result.finished) == (1, False)
    assert (result.model / "adapter_model.safetensors").is_file()
    assert run_in(whole, "timed").train().finished
    same(whole, "timed")
    assert [path.name for path in checkpoints(whole / "timed")] == ["checkpoint-4", "checkpoint-6"]
