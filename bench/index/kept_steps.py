"""Measurements as steps: each a process of its own, its figures kept, so that a long run goes on where it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# autofaiss wants NumPy below 2, which later versions of pyarrow refuse, and names an argument as later FAISS does not.
_NEEDED = {"graphs": ["hnswlib", "usearch"], "autofaiss": ["autofaiss", "pyarrow<20", "faiss-cpu==1.9.0.post1"]}
_SHOWN = {"graphs": ("hnswlib", "usearch", "numpy"), "autofaiss": ("autofaiss", "faiss-cpu", "numpy")}
_TAIL = 2_000


class Steps:
    """Runs steps and keeps what they print.

    Args:
        cache: Where figures are kept, one file a step.
        peers: Where the peers' environments are, or go.
    """

    def __init__(self, cache: Path, peers: Path) -> None:
        self._cache = cache
        self._peers = peers
        cache.mkdir(parents=True, exist_ok=True)

    def own(self, name: str, step: str, *options: object) -> dict[str, Any]:
        """A step of `own.py`."""
        return self.run(name, [sys.executable, str(HERE / "own.py"), step, *map(str, options)])

    def graph(self, name: str, step: str, peer: str, *options: object) -> dict[str, Any]:
        """A step of `in_peers/graph.py`; FAISS's graph runs with the FAISS that we use."""
        python = sys.executable if peer == "faiss" else self.python("graphs")
        return self.run(name, [python, str(HERE / "in_peers" / "graph.py"), step, peer, *map(str, options)])

    def autofaiss(self, name: str, limit: float, *options: object) -> dict[str, Any]:
        """A build by autofaiss; after so many seconds it is ended, which is told."""
        command = [self.python("autofaiss"), str(HERE / "in_peers" / "autofaiss_build.py"), *map(str, options)]
        return self.run(name, command, limit)

    def run(self, name: str, command: Sequence[str], limit: float | None = None) -> dict[str, Any]:
        """The figures of a step: those that are kept, or what its last line says.

        Raises:
            RuntimeError: It ended with an error.
        """
        file = self._cache / f"{name}.json"
        if file.exists():
            kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return kept
        started = time.perf_counter()
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit, env=os.environ)
            if done.returncode:
                raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-_TAIL:]}")
            found = json.loads(done.stdout.strip().splitlines()[-1])
        except subprocess.TimeoutExpired:
            found = {"ended_after": limit}
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        new = file.with_suffix(".new")
        new.write_text(json.dumps(found, indent=1), encoding="utf-8")
        new.replace(file)
        return dict(found)

    def python(self, peer: str) -> str:
        """The interpreter of a peer's environment, which is made where it is missing."""
        home = self._peers / peer
        python, ready = home / "bin" / "python", home / "ready"
        if not ready.exists():
            print(f"installing {', '.join(_NEEDED[peer])} into {home}", file=sys.stderr)
            venv.create(home, with_pip=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *_NEEDED[peer]], check=True)
            ready.touch()
        return str(python)

    def versions(self) -> str:
        """Of what matters in the peers' environments."""
        told = []
        for peer, names in _SHOWN.items():
            command = [self.python(peer), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
            listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            versions = {row["name"]: row["version"] for row in listed}
            told.append(", ".join(f"{name} {versions[name]}" for name in names if name in versions))
        return "; ".join(told)
