"""From JSON lines to a published, verified index: documents per second, and the share that is lost outside encoding."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from tart import Document, Encoder
from tart.engines import Engine
from tart.readers import ReadReport, read_documents
from tart_index import BuildOptions, Corpus, IndexFolder, build_index
from tart_index.demo import standard_library
from tart_index.parts import PART_SIZE
from tart_index.planning.plans import plan_build
from tart_index.planning.sizes import VectorLayout
from tart_index.planning.survey import Survey
from tart_index.writer import IndexWriter

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "build"))
from reporting import Spread, table, write
from run import write_corpus

# Where a piece of the work runs: before or after the model, or in a thread beside it.
PIECES = {
    "reading and checking, first time": "before",
    "plan": "before",
    "reading, second time": "beside",
    "tokenising": "beside",
    "model": "-",
    "writing parts": "beside",
    "publishing": "after",
    "verifying": "after",
}


class Whole(NamedTuple):
    """One run of the whole pipeline.

    Attributes:
        seconds: From the first byte read to the last byte verified.
        pieces: Seconds by the names in `PIECES`; those beside the model overlap with it.
    """

    seconds: float
    pieces: defaultdict[str, float]


class TimedEngine:
    """An engine that adds up its own time."""

    def __init__(self, engine: Engine, pieces: defaultdict[str, float]) -> None:
        self._engine = engine
        self._pieces = pieces
        self.dim, self.token_budget, self.tokenizer = engine.dim, engine.token_budget, engine.tokenizer

    def embed(self, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        """Embeds a batch."""
        with timed(self._pieces, "model"):
            return self._engine.embed(texts, skip)


@contextmanager
def timed(pieces: defaultdict[str, float], name: str) -> Iterator[None]:
    """Adds the time of the block to a piece."""
    started = time.perf_counter()
    try:
        yield
    finally:
        pieces[name] += time.perf_counter() - started


def timing(function: Callable[..., Any], pieces: defaultdict[str, float], name: str) -> Callable[..., Any]:
    """The function, its time added to a piece."""

    def run(*arguments: Any, **named: Any) -> Any:
        with timed(pieces, name):
            return function(*arguments, **named)

    return run


def timed_corpus(file: Path, pieces: defaultdict[str, float]) -> Corpus:
    """JSON lines whose second reading is timed; the first one is told by the survey."""
    corpus = Corpus.from_sources([str(file)])
    readings = 0

    def read(report: ReadReport) -> Iterator[Document]:
        nonlocal readings
        readings += 1
        name = "reading, second time" if readings == 2 else "not counted"
        stream = iter(corpus.read(report))
        while True:
            with timed(pieces, name):
                document = next(stream, None)
            if document is None:
                return
            yield document

    return Corpus(corpus.names, read)


def whole(file: Path, out: Path, encoder: Encoder, part_size: int) -> Whole:
    """Reads, checks, plans, embeds, writes, publishes, opens and verifies, as the commands build and verify do."""
    pieces: defaultdict[str, float] = defaultdict(float)
    measured = encoder.through(lambda engine: TimedEngine(engine, pieces))
    tokenise = timing(encoder.tokenize_documents, pieces, "tokenising")

    def approve(survey: Survey) -> None:
        pieces["reading and checking, first time"] += survey.seconds
        with timed(pieces, "plan"):
            plan_build(survey, out, encoder, VectorLayout(encoder.dim), part_size).refuse_shortage()

    started = time.perf_counter()
    with (
        patch.object(measured, "tokenize_documents", tokenise),
        patch.object(IndexWriter, "write_part", timing(IndexWriter.write_part, pieces, "writing parts")),
        patch.object(IndexWriter, "publish", timing(IndexWriter.publish, pieces, "publishing")),
    ):
        build_index(timed_corpus(file, pieces), out, measured, BuildOptions(part_size=part_size), None, approve)
    with timed(pieces, "verifying"):
        for _ in IndexFolder.open(out).verify():
            pass
    return Whole(time.perf_counter() - started, pieces)


def measure(folder: Path, encoder: Encoder, count: int, words: int, rounds: int, part_size: int) -> dict[str, Any]:
    """The bare encoder over documents in memory and the whole pipeline over their file, in turn."""
    file = write_corpus(folder / "corpus.jsonl", count, words)
    documents = list(read_documents(file))
    encoder.encode_documents(documents[: min(300, count)])
    bare: list[float] = []
    runs: list[Whole] = []
    for number in range(rounds):
        started = time.perf_counter()
        encoder.encode_documents(documents)
        bare.append(time.perf_counter() - started)
        runs.append(whole(file, folder / f"index-{number}", encoder, part_size))
    return {
        "count": count,
        "bytes": file.stat().st_size,
        "bare": Spread.of([count / seconds for seconds in bare]),
        "whole": Spread.of([count / run.seconds for run in runs]),
        "lost": Spread.of([1 - alone / run.seconds for alone, run in zip(bare, runs, strict=True)]),
        "outside": Spread.of([1 - run.pieces["model"] / run.seconds for run in runs]),
        "pieces": {name: Spread.of([run.pieces[name] for run in runs]) for name in PIECES},
    }


def demo(folder: Path, count: int, structure: str) -> dict[str, Any]:
    """The command itself over documents of the standard library: built with a promise of recall, then verified."""
    documents = list(standard_library().documents(ReadReport()))
    step = max(len(documents) // count, 1)
    file, out = folder / "demo.jsonl", folder / "demo"
    with file.open("w", encoding="utf-8") as stream:
        for document in documents[::step][:count]:
            row = {"id": document.id, "title": document.title, "text": document.text}
            stream.write(json.dumps({**row, "metadata": dict(document.metadata)}) + "\n")
    command = [sys.executable, "-m", "tart", "index"]
    options = ["--recall", "0.95", "--structure", structure, "--json"]
    started = time.perf_counter()
    built = subprocess.run([*command, "build", file, "--out", out, *options], check=True, capture_output=True)
    subprocess.run([*command, "verify", out], check=True, capture_output=True)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, **json.loads(built.stdout)}


def split(figures: dict[str, Any]) -> str:
    """The pieces as a table."""
    total = figures["count"] / figures["whole"].median
    rows = [
        [name, PIECES[name], f"{spread:.2f}", f"{spread.median / total:.1%}"]
        for name, spread in figures["pieces"].items()
    ]
    return table(["piece", "against the model", "seconds", "of the whole"], rows)


def told(figures: dict[str, Any], part_size: int, rounds: int) -> str:
    """The report's first part."""
    speeds = table(
        ["", "documents/s"],
        [
            ["encoder alone, documents in memory", f"{figures['bare']:,.1f}"],
            ["JSON lines to a published, verified index", f"{figures['whole']:,.1f}"],
        ],
    )
    lost = figures["lost"]
    met = "met" if lost.median <= 0.05 else "not met"
    return (
        f"{figures['count']:,} documents ({figures['bytes'] / 2**20:.1f} MiB of JSON lines), parts of {part_size:,}, "
        f"medians of {rounds} rounds in turn. The whole pipeline reads and checks the corpus, plans, reads again, "
        "hashes, tokenises, embeds, writes, flushes, publishes, opens the index and compares every byte with its "
        f"checksum. The encoder alone tokenises and embeds.\n\n{speeds}\n\n"
        f"**Lost outside encoding: {lost.median:.1%}** ({lost.low:.1%} to {lost.high:.1%}); wanted at most 5 %: {met}. "
        f"The model itself is idle for {figures['outside'].median:.1%} of the time.\n\n"
        "## Where the time goes\n\nPieces beside the model run in threads of their own while it works; they overlap, "
        f"so the shares do not add up to one.\n\n{split(figures)}"
    )


def told_demo(found: dict[str, Any], structure: str) -> str:
    """The report's second part."""
    plan, taken = found["plan"], found["taken"]
    best = (found["structure"] or {}).get("chosen", [None])[0]
    recall = f"recall at {best['k']} {best['recall']:.3f}" if best else f"best recall {found['best_recall']}"
    mib = 2**20
    rows = [
        ["seconds", f"{plan['least_seconds']:.0f} to {plan['most_seconds']:.0f}", f"{taken['seconds']:.0f}"],
        ["peak memory, MiB", f"{plan['memory'] / mib:,.0f}", f"{taken['memory'] / mib:,.0f}"],
        ["disk, MiB", f"{plan['disk'] / mib:,.2f}", f"{taken['disk'] / mib:,.2f}"],
    ]
    return (
        f"## The command, with a promise of recall\n\n{found['documents']:,} documents of the standard library, "
        f"`tart index build --recall 0.95 --structure {structure}` (named, for so few vectors are searched exactly "
        f"otherwise), then `tart index verify`: {found['seconds']:.0f} s, {found['documents'] / found['seconds']:.1f} "
        f"documents/s, start of both processes included; {recall}.\n\n"
        f"{table(['', 'planned', 'taken'], rows)}"
    )


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_560, help="documents for the throughput")
    parser.add_argument("--words", type=int, default=30, help="of a document, on average")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part-size", type=int, default=PART_SIZE)
    parser.add_argument("--demo", type=int, default=1_500, help="documents of the standard library; 0 leaves them out")
    parser.add_argument("--structure", default="IVF16,SQ8", help="for the standard library")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where the report goes")
    arguments = parser.parse_args()
    encoder = Encoder.load()
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), encoder, arguments.count, arguments.words, arguments.rounds, arguments.part_size)
        body = told(figures, arguments.part_size, arguments.rounds)
        if arguments.demo:
            figures["demo"] = demo(Path(name), arguments.demo, arguments.structure)
            body += "\n\n" + told_demo(figures["demo"], arguments.structure)
    write(arguments.out, "From JSON lines to a verified index", body, figures, name="pipeline")


if __name__ == "__main__":
    main()
