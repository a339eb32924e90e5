"""kill -9 at random moments of a build: is the index that a resumed build makes the undisturbed one, every time?"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import write_corpus

from tart_index import IndexFolder

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import table, write


def command(corpus: Path, out: Path) -> list[str]:
    """A build of many small parts, so that a kill hits every step."""
    return [sys.executable, "-m", "tart", "index", "build", str(corpus), "--out", str(out), "--part-size", "32"]


def trial(corpus: Path, out: Path, delay: float) -> int:
    """Kills a build after `delay` seconds, resumes it; returns the parts that the killed build had finished."""
    process = subprocess.Popen(command(corpus, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = len(list((out / "parts").glob("*/part.json")))
    subprocess.run(command(corpus, out), check=True, stdout=subprocess.DEVNULL)
    return finished


def files(folder: Path) -> dict[str, bytes]:
    """Every part file by name."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted((folder / "parts").rglob("*.*"))}


def main() -> None:
    """Runs the trials and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--count", type=int, default=1_500)
    arguments = parser.parse_args()
    rng = random.Random(0)  # noqa: S311 (moments, not secrets)
    rows, same = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = write_corpus(folder / "corpus.jsonl", arguments.count, words=20)
        started = time.perf_counter()
        subprocess.run(command(corpus, folder / "wanted"), check=True, stdout=subprocess.DEVNULL)
        whole = time.perf_counter() - started
        wanted, wanted_files = IndexFolder.open(folder / "wanted"), files(folder / "wanted")
        for number in range(arguments.trials):
            delay = rng.uniform(0, whole)
            out = folder / f"killed-{number}"
            finished = trial(corpus, out, delay)
            found = IndexFolder.open(out)
            verified = sum(part.count for part in found.verify()) == arguments.count
            same_content = found.manifest.fingerprint == wanted.manifest.fingerprint and files(out) == wanted_files
            equal = verified and same_content
            same += equal
            rows.append([f"{delay:.2f}", f"{finished} of {len(wanted.manifest.parts)}", "yes" if equal else "NO"])
    body = (
        f"A build of {arguments.count:,} documents in parts of 32 takes {whole:.1f} s undisturbed. It was killed at "
        f"{arguments.trials} random moments and the same command was run again; then every byte was compared.\n\n"
        f"**{same} of {arguments.trials} resumed builds made the undisturbed index, byte for byte.**\n\n"
        + table(["killed after s", "parts finished", "same index after resuming"], rows)
    )
    write(Path(__file__).parent, "Killing a build", body, {"trials": arguments.trials, "same": same}, "kill_report")
    sys.exit(0 if same == arguments.trials else 1)


if __name__ == "__main__":
    main()
