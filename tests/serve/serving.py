"""The service in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "index", "train", "serve")),
}


def start(*arguments: str) -> subprocess.Popen[str]:
    """`tart serve` with one thread, in float32."""
    command = [sys.executable, "-m", "tart", "serve", *arguments, "--dtype", "float32", "--threads", "1"]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def port_of(process: subprocess.Popen[str]) -> int:
    """The port that a greeting names, read together with the line below it."""
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:(\d+)/docs", process.stdout.readline())
    assert found, process.communicate(timeout=60)
    process.stdout.readline()
    return int(found[1])
