"""An honest small replication of DEFT: does training on what a selection chose beat training on random rows?

Cells, one for each held-out dataset, method and seed, are lines of a file under --work: a killed run goes on.
`report` writes what is there. Of the pool's texts nothing is committed, as they carry mixed licences; figures are.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from bench.reporting import write
from bench.select.cells import Cell, Result, Results
from bench.select.choices import Question
from bench.select.choose import INSTRUCTION, Chooser
from bench.select.experiment import FROZEN, OWN, TUNED, UNTRAINED, WHOLE, Experiment, Sizes
from bench.select.fine_tuned import TunedSettings
from bench.select.found import Found, find
from bench.select.frozen import FrozenSettings
from bench.select.held_out import TARGETS
from bench.select.pool import PoolRow, read_pool
from bench.select.report import body
from bench.select.tables import Chance
from bench.select.texts import KeptVectors, gather
from tart.encoder import Encoder
from tart.engines import Hardware

METHODS = ("random", "balanced", "bm25", "deft", "rds", "round-robin", "deft, instruction", "rds, instruction")
FOUND_METHODS = ("deft", "rds", "round-robin")
_RESULTS, _FOUND = "results.jsonl", "found.jsonl"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", nargs="+", choices=(FROZEN, TUNED, "found", "report"), help="in this order")
    parser.add_argument("--pool", type=Path, required=True, metavar="FILE", help="prompted rows, JSON lines, .gz")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="index of the pool's inputs")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="vectors, selections and results")
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), metavar="DATASET")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), metavar="METHOD")
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--budget", type=int, default=500, metavar="ROWS")
    parser.add_argument("--whole", type=int, default=2_000, metavar="ROWS", help="of the pool, fine-tuned; 0: all")
    parser.add_argument("--minutes", type=float, help="start no new cell after so long")
    parser.add_argument("--threads", type=int)
    for name, default in TunedSettings()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help="fine-tuned")
    return parser.parse_args()


def cells(tier: str, given: argparse.Namespace) -> Iterator[Cell]:
    """All cells of a tier; a whole round over datasets and methods comes before the next seed."""
    methods = (UNTRAINED, *given.methods, WHOLE, OWN)
    for seed in range(given.seeds):
        for dataset in given.targets:
            for method in methods:
                yield Cell(tier, given.budget, dataset, method, seed)


def run_cells(experiment: Experiment, results: Results, wanted: Sequence[Cell], deadline: float) -> None:
    """Runs what is not there yet."""
    left = [cell for cell in wanted if cell not in results.done]
    print(f"{len(wanted) - len(left)} cells done, {len(left)} to go", file=sys.stderr, flush=True)
    for number, cell in enumerate(left, start=1):
        if time.monotonic() > deadline:
            print("out of time; the same command goes on", file=sys.stderr)
            return
        start = time.monotonic()
        result = experiment.run(cell)
        results.add(result)
        took = time.monotonic() - start
        told = f"{cell.dataset}, {cell.method}, seed {cell.seed}: {result.accuracy:.3f}, {took:.1f} s"
        print(f"{cell.tier} {number}/{len(left)} {told}", file=sys.stderr, flush=True)


def run_found(rows: Sequence[PoolRow], chooser: Chooser, given: argparse.Namespace) -> None:
    """What selection finds of every dataset of the pool, those that no model is scored on too."""
    file = given.work / _FOUND
    done = {(one.dataset, one.seed) for one in read_found(file)}
    for seed in range(min(3, given.seeds)):
        for dataset in sorted({row.dataset for row in rows}):
            if (dataset, seed) in done:
                continue
            lines = find(rows, dataset, seed, FOUND_METHODS, chooser, Sizes().asked, given.budget)
            text = "".join(json.dumps(one._asdict()) + "\n" for one in lines)
            with file.open("a", encoding="utf-8") as stream:
                stream.write(text)


def read_found(file: Path) -> list[Found]:
    """What was found so far."""
    if not file.is_file():
        return []
    return [Found(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def chance_of(rows: Sequence[PoolRow], questions: Sequence[Question]) -> Chance:
    """What guessing scores on some questions, and what each template's most frequent answer does."""
    answers: dict[str, Counter[str]] = {}
    for question in questions:
        answers.setdefault(rows[question.row].template, Counter())[rows[question.row].target.strip()] += 1
    most = sum(count.most_common(1)[0][1] for count in answers.values())
    guess = float(np.mean([1 / len(question.answers) for question in questions]))
    return Chance(100 * guess, 100 * most / len(questions))


def report(
    rows: Sequence[PoolRow], experiment: Experiment, settings: dict[str, Any], given: argparse.Namespace
) -> None:
    """Writes the report from what is there."""
    results: list[Result] = list(Results.read(given.work / _RESULTS))
    datasets = sorted({result.cell.dataset for result in results})
    targets = {dataset: experiment.target(dataset) for dataset in datasets}
    chances = {dataset: chance_of(rows, target.questions) for dataset, target in targets.items()}
    text, figures = body(results, read_found(given.work / _FOUND), targets, chances, settings, len(rows))
    write(Path(__file__).parent, "A small replication of DEFT", text, figures, "replicate", ("scipy",))


def main() -> None:
    given = arguments()
    if given.threads:
        torch.set_num_threads(given.threads)
    rows = read_pool(given.pool)
    encoder = functools.cache(lambda: Encoder.load(threads=given.threads))
    kept = KeptVectors(given.work / "vectors", encoder)
    vectors = functools.cache(lambda: gather(rows, given.index, kept))
    hardware = Hardware.choose(None, "float32", given.threads)
    chooser = Chooser(rows, lambda: vectors().inputs, kept, hardware)
    sizes = Sizes(whole=given.whole or None)
    tuned = TunedSettings(**{name: getattr(given, name) for name in TunedSettings._fields})
    experiment = Experiment(rows, vectors, chooser, given.work, sizes, FrozenSettings(), tuned)
    settings = {
        "pool": given.pool.name,
        "rows": len(rows),
        "instruction": INSTRUCTION,
        "sizes": sizes._asdict(),
        "frozen": FrozenSettings()._asdict(),
        "fine_tuned": {name: value for name, value in tuned._asdict().items() if name != "device"},
    }
    results = Results(given.work / _RESULTS, settings)
    deadline = time.monotonic() + 60 * given.minutes if given.minutes else float("inf")
    for what in given.do:
        if what == "report":
            report(rows, experiment, settings, given)
        elif what == "found":
            run_found(rows, chooser, given)
        else:
            run_cells(experiment, results, list(cells(what, given)), deadline)


if __name__ == "__main__":
    main()
