"""Approximate search of a million vectors against hnswlib, usearch, FAISS's HNSW and autofaiss's choice.

At a recall@10 of 0.95: queries a second on one thread, memory, time and memory of the build; filtered recall; opening.
Every measurement is a process of its own and is kept in the cache: run again, it goes on where it was. Remove
CACHE/ROWS/ask-*.json to measure queries anew, CACHE/ROWS/build-*.json and the indexes to build anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from ann_report import report
from kept_steps import HERE, Steps

PEERS = ("hnswlib", "usearch", "faiss")
PARTS = ("data", "build", "autofaiss", "tune", "ask", "filters", "open")


class Run:
    """The steps of one run, in the order of `PARTS`.

    Args:
        options: Of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = options.cache / "vectors" / str(options.rows)
        self.home = options.cache / str(options.rows)
        self.index = self.home / "ours"
        # By the name of the measurement: ours as `tart index tune` chooses it, and others to compare the choice with.
        self.own = {"ours": self.index, **{factory: self.home / factory for factory in options.also}}
        self.steps = Steps(self.home, options.peers)
        self._files = ("--folder", self.folder, "--rows", options.rows, "--threads", options.threads)
        self._truth = ("--truth", self.home / "truth.npy")
        self._recall = ("--recall", options.recall)

    def data(self) -> None:
        """Vectors, our index of them without a structure, exact neighbours of the queries: nothing of it is timed."""
        own = self.steps.own
        own("data", "data", *self._files, "--queries", self.options.queries, "--seed", self.options.seed)
        own("import", "import", *self._files, "--index", self.index, "--seed", self.options.seed)
        own("truth", "truth", *self._files, "--index", self.index, *self._truth)
        for name in self.options.also:
            own(f"link-{name}", "link", *self._files, "--source", self.index, "--index", self.own[name])

    def build(self) -> dict[str, Any]:
        """Our structure and the graphs."""
        found = {}
        for name, index in self.own.items():
            structure = () if name == "ours" else ("--structure", name)
            options = (*self._files, "--index", index, *self._recall, *structure)
            found[name] = self.steps.own(f"build-{name}", "tune", *options)
        effort = ("--ef-construction", self.options.ef_construction)
        for peer in PEERS:
            found[peer] = self.steps.graph(f"build-{peer}", "build", peer, *self._files, *self._index(peer), *effort)
        return found

    def autofaiss(self) -> dict[str, Any]:
        """What autofaiss chooses within a bound of memory."""
        memory = self.options.autofaiss_memory
        if self.options.autofaiss_limit <= 0:
            return {"memory": memory}
        options = (*self._files, *self._index("autofaiss"), "--memory", memory)
        return self.steps.autofaiss("build-autofaiss", self.options.autofaiss_limit, *options) | {"memory": memory}

    def tune(self) -> dict[str, Any]:
        """The smallest efforts that reach the recall on the test queries."""
        found = {}
        for name, index in self.own.items():
            options = (*self._files, *self._truth, "--index", index, *self._recall)
            found[name] = self.steps.own(f"fit-{name}", "fit", *options)
        for peer in PEERS:
            options = (*self._files, *self._truth, *self._index(peer), *self._recall)
            found[peer] = self.steps.graph(f"fit-{peer}", "tune", peer, *options)
        return found

    def ask(self) -> dict[str, list[dict[str, Any]]]:
        """Queries, all systems in turn."""
        fitted = self.tune()
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in ("as tuned", *self.own, *PEERS)}
        for number in range(self.options.rounds):
            tuned = (*self._files, *self._truth, "--index", self.index)
            found["as tuned"].append(self.steps.own(f"ask-tuned-{number}", "ask", *tuned))
            for name, index in self.own.items():
                effort = json.dumps(fitted[name]["effort"])
                options = (*self._files, *self._truth, "--index", index, "--effort", effort)
                found[name].append(self.steps.own(f"ask-{name}-{number}", "ask", *options))
            for peer in PEERS:
                options = (*self._files, *self._truth, *self._index(peer), "--effort", fitted[peer]["effort"])
                found[peer].append(self.steps.graph(f"ask-{peer}-{number}", "ask", peer, *options))
        return found

    def filters(self) -> dict[str, Any]:
        """Searches under filters."""
        return self.steps.own("filters", "filters", *self._files, "--index", self.index)

    def open(self) -> dict[str, list[dict[str, Any]]]:
        """Searchers opened, exact and approximate in turn."""
        found: dict[str, list[dict[str, Any]]] = {"approximate": [], "exact": []}
        for number in range(self.options.rounds):
            for name, option in (("approximate", ()), ("exact", ("--exact",))):
                one = self.steps.own(f"open-{name}-{number}", "open", *self._files, "--index", self.index, *option)
                found[name].append(one)
        return found

    def _index(self, peer: str) -> Sequence[object]:
        return ("--index", self.home / f"{peer}.index")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    cache = Path.home() / ".cache" / "tart-bench"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these: {' '.join(PARTS)} [default: all]")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--threads", type=int, default=2, help="of builds; queries are asked on one")
    parser.add_argument("--ef-construction", type=int, default=80, help="of all graphs, which have 32 links (M)")
    parser.add_argument(
        "--also", nargs="*", default=["HNSW16_SQ8"], metavar="FACTORY", help="structures of ours beside the chosen one"
    )
    parser.add_argument("--autofaiss-memory", default="1G", help="autofaiss's bound; without one it takes HNSW32")
    parser.add_argument(
        "--autofaiss-limit", type=float, default=600.0, help="seconds after which it is ended; 0: left out"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=cache / "index", help="where everything is kept between runs")
    parser.add_argument("--peers", type=Path, default=cache / "index-peers", help="where the peers are, or go")
    parser.add_argument("--out", type=Path, default=HERE, help="where the report goes")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    return given


def main() -> None:
    """Runs the parts that are asked for; a whole run writes the report."""
    options = arguments()
    run = Run(options)
    found = {part: getattr(run, part)() for part in PARTS if not options.parts or part in options.parts}
    if not options.parts:
        report(options, found, run.steps.versions())


if __name__ == "__main__":
    main()
