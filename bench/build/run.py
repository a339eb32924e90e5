"""What a whole build loses against the bare encoder, and how its peak memory grows with the corpus."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tart.encoder import Encoder
from tart.readers import ReadReport, read_documents
from tart_index import Corpus, build_index
from tart_index.demo import standard_library

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import Spread, table, write


def rows(count: int, words: int) -> Iterator[dict[str, object]]:
    """Documents of `words` words on average, drawn from the standard library's documentation."""
    documents = standard_library().documents(ReadReport())
    vocabulary = np.array(
        sorted({w for d in documents if d.metadata["kind"] == "documentation" for w in d.text.split()})
    )
    rng = np.random.default_rng(0)
    for number in range(count):
        size = int(rng.integers(words // 2, words + words // 2 + 1))
        text = " ".join(vocabulary[rng.integers(0, len(vocabulary), size)])
        yield {"id": str(number), "title": f"Document {number}", "text": text, "metadata": {"number": number}}


def write_corpus(file: Path, count: int, words: int) -> Path:
    """A corpus as JSON lines."""
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows(count, words))
    return file


def throughput(folder: Path, count: int, words: int, rounds: int) -> tuple[Spread, Spread]:
    """Documents per second of the bare encoder over documents in memory, and of a whole build, in turn."""
    corpus = write_corpus(folder / "throughput.jsonl", count, words)
    encoder = Encoder.load()
    documents = list(read_documents(corpus))
    encoder.encode_documents(documents[:500])
    bare, whole = [], []
    for number in range(rounds):
        started = time.perf_counter()
        encoder.encode_documents(documents)
        bare.append(count / (time.perf_counter() - started))
        started = time.perf_counter()
        build_index(Corpus.from_sources([str(corpus)]), folder / f"throughput-{number}", encoder)
        whole.append(count / (time.perf_counter() - started))
    return Spread.of(bare), Spread.of(whole)


def peak_memory(folder: Path, count: int, words: int) -> tuple[float, float]:
    """Peak resident MiB and seconds of the command `tart index build` over `count` documents."""
    corpus = write_corpus(folder / f"{count}.jsonl", count, words)
    out = folder / f"index-{count}"
    started = time.perf_counter()
    command = [sys.executable, "-m", "tart", "index", "build", str(corpus), "--out", str(out)]
    process = os.posix_spawn(
        sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"the build of {count} documents ended with status {status}")
    seconds = time.perf_counter() - started
    shutil.rmtree(out)
    corpus.unlink()
    return usage.ru_maxrss / 1024, seconds


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=8_192, help="documents for the throughput")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000], help="corpora for the memory"
    )
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        memory = {size: peak_memory(folder, size, words=6) for size in arguments.sizes}
        bare, whole = throughput(folder, arguments.count, words=30, rounds=arguments.rounds)
    share = whole.median / bare.median
    about_speed = (
        f"{arguments.count:,} documents of about 30 words, medians of {arguments.rounds} rounds in turn. The build "
        "reads JSON lines twice (once to check them), hashes, tokenises, embeds, writes, flushes and publishes; the "
        "bare encoder gets documents in memory."
    )
    about_memory = "The process's peak resident set, model and libraries included; documents of about 6 words."
    speeds = [["encoder alone", f"{bare:,.0f}"], ["whole build", f"{whole:,.0f}"], ["share", f"{share:.3f}"]]
    peaks = [[f"{size:,}", f"{peak:,.0f}", f"{seconds:.0f}"] for size, (peak, seconds) in memory.items()]
    memory_table = table(["documents", "peak MiB", "seconds"], peaks)
    body = (
        f"## A whole build against the bare encoder\n\n{about_speed}\n\n{table(['', 'documents/s'], speeds)}\n\n"
        f"## Peak memory of `tart index build`\n\n{about_memory}\n\n{memory_table}"
    )
    figures = {
        "encoder": bare._asdict(),
        "build": whole._asdict(),
        "share": share,
        "peak_mib": {size: peak for size, (peak, _) in memory.items()},
    }
    write(Path(__file__).parent, "Building an index", body, figures)


if __name__ == "__main__":
    main()
