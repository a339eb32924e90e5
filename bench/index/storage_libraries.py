"""Lance and DuckDB against our own parts, as the store of documents, metadata, vectors and versions."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import Spread, table, write

HERE = Path(__file__).parent
PEERS = {"lance": ["pylance==14.0.2", "numpy", "pyarrow"], "duckdb": ["duckdb==2.0.0", "numpy", "pyarrow"]}
STORES = ("ours", *PEERS)
FIGURES = {
    "write_s": "write, s",
    "disk_mib": "on disk, MiB",
    "open_ms": "open, ms",
    "open_mib": "memory after opening, MiB",
    "vectors_ms": "all vectors ready for FAISS, ms",
    "vectors_mib": "memory then, MiB",
    "fetch_10_ms": "10 documents by row, ms",
    "mask_equal_ms": "filter: equality, ms",
    "mask_least_ms": "filter: range, ms",
    "mask_contains_ms": "filter: list contains, ms",
    "append_1000_ms": "append 1,000, ms",
    "delete_1000_ms": "delete 1,000, ms",
    "installed_mb": "installed besides ours, MB",
}


def corpus(file: Path, first: int, count: int, dim: int, words: int = 60) -> Path:
    """Documents with text, typed metadata and unit vectors, as an Arrow file."""
    rng = np.random.default_rng(first)
    vocabulary = np.array([f"word{number}" for number in range(5_000)])
    drawn = rng.zipf(1.3, (count, words)) % len(vocabulary)
    vectors = rng.standard_normal((count, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kinds = np.array(["news", "paper", "code", "talk"])
    rows = pa.table(
        {
            "id": [f"d{number}" for number in range(first, first + count)],
            "text": [" ".join(vocabulary[row]) for row in drawn],
            "kind": kinds[rng.integers(4, size=count)],
            "year": rng.integers(1990, 2026, count),
            "tags": [[f"t{tag}" for tag in sorted(set(row))] for row in rng.integers(0, 20, (count, 3)).tolist()],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim),
        }
    )
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return file


def python_of(store: str, peers: Path) -> Path:
    """The interpreter that has a store's packages, installed the first time."""
    if store == "ours":
        return Path(sys.executable)
    python = peers / store / "bin" / "python"
    if not python.exists():
        venv.create(peers / store, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEERS[store]], check=True)
    return python


def command(store: str, peers: Path, step: str, path: Path, rows: Path) -> list[str]:
    script = HERE / "in_peers" / f"storage_{store}.py"
    return [str(python_of(store, peers)), str(script), step, str(path), str(rows)]


def ask(store: str, peers: Path, step: str, path: Path, rows: Path) -> dict[str, Any]:
    """One step in a fresh process."""
    done = subprocess.run(command(store, peers, step, path, rows), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{store} {step} failed: {done.stderr[-2_000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def tree(path: Path) -> str:
    """A digest of every file's name and bytes."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(str(file.relative_to(path)).encode() + file.read_bytes())
    return digest.hexdigest()


def survives(store: str, peers: Path, path: Path, rows: Path, kills: int) -> int:
    """Kills appends with kill -9 at random moments; how often the store then held what was told, or one append more."""
    rng = random.Random(0)  # noqa: S311 (moments, not secrets)
    sound = 0
    for _ in range(kills):
        with subprocess.Popen(command(store, peers, "loop", path, rows), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.5))
            process.kill()
            told = [int(line) for line in process.stdout]
        count = ask(store, peers, "count", path, rows)["count"]
        sound += count % 1_000 == 0 and (not told or count in (told[-1], told[-1] + 1_000))
    return sound


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """Rounds in turn over all stores."""
    rows = corpus(folder / "rows.arrow", 0, arguments.count, arguments.dim)
    more = corpus(folder / "more.arrow", arguments.count, 1_000, arguments.dim)
    values: dict[str, dict[str, list[float]]] = {store: {name: [] for name in FIGURES} for store in STORES}
    facts: dict[str, dict[str, Any]] = {store: {} for store in STORES}
    digests: dict[str, set[str]] = {store: set() for store in STORES}
    for number in range(arguments.rounds):
        for store in STORES:
            path = folder / f"{store}-{number}"
            answers = ask(store, arguments.peers, "write", path, rows)
            digests[store].add(tree(path))
            answers |= ask(store, arguments.peers, "read", path, rows)
            answers |= ask(store, arguments.peers, "change", path, more)
            for name in FIGURES:
                values[store][name].append(answers[name])
            facts[store] |= {"found": answers["found"], "keeps versions": answers["first_version"]}
    assert facts["ours"]["found"] == facts["lance"]["found"] == facts["duckdb"]["found"], facts
    for store in STORES:
        facts[store]["same bytes each time"] = len(digests[store]) == 1
        path = folder / f"{store}-{arguments.rounds - 1}"
        facts[store]["kills survived"] = survives(store, arguments.peers, path, more, arguments.kills)
    return {store: {"figures": values[store], "facts": facts[store]} for store in STORES}


def report(results: dict[str, dict[str, Any]], arguments: argparse.Namespace, note: str) -> None:
    """Writes the report beside this file."""
    spreads = {s: {n: Spread.of(v) for n, v in r["figures"].items()} for s, r in results.items()}
    rows = []
    for name, title in FIGURES.items():
        ours = spreads["ours"][name].median
        cells = [f"{spreads[store][name]:,.1f}" for store in STORES]
        ratios = [f"{spreads[s][name].median / ours:.2f}" if ours > 0 else "" for s in PEERS]
        rows.append([title, *cells, *ratios])
    facts = {store: results[store]["facts"] for store in STORES}
    yes = {"same bytes each time": "same bytes each time", "keeps versions": "the first version can still be opened"}
    told = [[title, *("yes" if facts[store][name] else "no" for store in STORES)] for name, title in yes.items()]
    told.append(
        ["sound after kill -9", *(f"{facts[store]['kills survived']} of {arguments.kills}" for store in STORES)]
    )
    about = (
        f"{arguments.count:,} documents of 60 words with a string, a number, a list of strings and a vector of "
        f"{arguments.dim} numbers; medians of {arguments.rounds} rounds in turn, range in brackets; each step in a "
        "fresh process. Ours is Arrow, NumPy and a manifest, and writes what Lance and DuckDB do not: digests of ids "
        f"and texts, and a flush of every file. Our vectors are mapped, not read: their first search reads them. "
        f"Ratios above 1 are a library's cost in times of ours.{note}"
    )
    header = ["", "ours", *PEERS, *(f"{store} / ours" for store in PEERS)]
    versions = f"Peers: {PEERS['lance'][0]}, {PEERS['duckdb'][0]}."
    body = f"{about}\n\n{table(header, rows)}\n\n{table(['', *STORES], told)}\n\n{versions}"
    write(HERE, "Storage libraries", body, {"results": results}, "storage_libraries")


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3, help="2 or more: one says nothing of equal bytes")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--peers", type=Path, default=Path.home() / ".cache" / "tart-bench" / "storage")
    parser.add_argument("--note", default="", help="a sentence for the report, such as what else ran")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error(f"--rounds is {arguments.rounds}; wanted 2 or more, to compare the bytes of two writes")
    with tempfile.TemporaryDirectory() as name:
        results = measure(arguments, Path(name))
    report(results, arguments, f" {arguments.note}" if arguments.note else "")


if __name__ == "__main__":
    main()
