"""Short runs of the benchmark of crashes, in processes of their own: they fork, and this one has threads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "bench" / "index"
# Nobody may be allowed to trace a process, or to mount a file system, where tests run.
TRACE = (
    "import sys, tempfile; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import steps\n"
    "if not steps.can_trace(): sys.exit('needs Linux on x86-64')\n"
    "with tempfile.TemporaryDirectory() as name:\n"
    "    place = Path(name).resolve(); (place / 'i').mkdir()\n"
    "    def work():\n"
    "        (place / 'i' / 'a').write_text('x'); (place / 'b').write_text('x')\n"
    "        (place / 'i' / 'a').rename(place / 'i' / 'c')\n"
    "    ended = steps.run_stepwise(work, place / 'i', place / 'out')\n"
    "    print([f'{one.call} {one.path}' for one in ended.steps])\n"
    "    for at in (1, 2, 3):\n"
    "        [file.unlink() for file in (place / 'i').iterdir()]\n"
    "        ended = steps.run_stepwise(work, place / 'i', place / 'out', lambda step: step.number == at)\n"
    "        print(ended.status, sorted((f.name, f.stat().st_size) for f in (place / 'i').iterdir()))\n"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def traced() -> list[str]:
    done = run("-c", TRACE, str(FOLDER))
    if done.returncode:
        pytest.skip(f"processes cannot be traced here: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.splitlines()


def test_a_process_is_killed_before_each_of_its_changes_and_of_no_other_folder(traced: list[str]) -> None:
    assert traced == [
        "['open a', 'write a', 'rename c']",
        "-9 []",
        "-9 [('a', 0)]",
        "-9 [('a', 1)]",
    ]


@pytest.mark.usefixtures("traced")
def test_a_delete_that_is_killed_leaves_the_old_version_or_the_new_one(tmp_path: Path) -> None:
    done = run(str(FOLDER / "crash.py"), "--commands", "delete", "--every", "8", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads((tmp_path / "crash.json").read_text())
    assert report["failed"] == []
    assert report["kills"] >= 3
    assert set(report["commands"]["delete"]["states"]) <= {"old", "new"}
