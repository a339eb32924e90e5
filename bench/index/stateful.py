"""Ten thousand random changes and searches of an index against a dictionary: is there ever a difference?

The machine is that of the tests (`tests/index/changing.py`): add, upsert, delete, compact, merge, rebuild, tune,
restore and search, with filters and without, exactly and through a structure. After every change the new version is
verified, and documents, their order and their vectors are compared with the dictionary.

    python bench/index/stateful.py --steps 300
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from hypothesis import HealthCheck, Phase, seed, settings  # noqa: E402
from hypothesis.stateful import run_state_machine_as_test  # noqa: E402
from reporting import table, write  # noqa: E402

from tests.index.changing import EXACT_STRUCTURE, FIRST, GRAPH, ChangingIndex  # noqa: E402

_LENGTH = 100
_EXAMPLES = 10
_THROUGH_STRUCTURE = "searches of a structure"


def steps_done() -> int:
    """Changes and searches so far."""
    return sum(count for name, count in ChangingIndex.done.items() if name != _THROUGH_STRUCTURE)


def main() -> None:
    """Runs the steps and writes the report; a difference ends it with the shortest steps that show it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where the report is written")
    arguments = parser.parse_args()
    chosen = settings(
        max_examples=_EXAMPLES,
        stateful_step_count=_LENGTH,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    started, rounds = time.perf_counter(), 0
    while steps_done() < arguments.steps:
        run_state_machine_as_test(seed(arguments.seed + rounds)(ChangingIndex), settings=chosen)
        rounds += 1
        print(f"{steps_done():,} steps, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    report(arguments.out, time.perf_counter() - started)


def report(out: Path, seconds: float) -> None:
    """Writes the report."""
    done, found = ChangingIndex.done, ChangingIndex.found
    rows = [[name, f"{count:,}"] for name, count in done.most_common() if name != _THROUGH_STRUCTURE]
    share = found["found"] / max(found["wanted"], 1)
    body = (
        f"Random changes and searches, each run of at most {_LENGTH} steps from an index of {FIRST} documents with a "
        "structure, against a dictionary and brute force. After every change the new version was verified and compared "
        "with the dictionary: documents, order and vectors; at every fourth the kept versions before it too. "
        f"{seconds:,.0f} s.\n\n"
        f"**{steps_done():,} steps without a difference.** {done[_THROUGH_STRUCTURE]:,} searches went through a "
        f"structure: `{EXACT_STRUCTURE}`, whose answers must be the exact ones, or `{GRAPH}`, whose hits must be as "
        f"many as there are, with the right scores and within the filter; it found {share:.4f} of the true neighbours. "
        "(The limit below which an index so small is searched exactly was taken away.)\n\n"
        + table(["step", "times"], rows)
    )
    figures = {"steps": steps_done(), "done": dict(done), "found": dict(found), "seconds": round(seconds)}
    write(out, "Random changes against a dictionary", body, figures, "stateful")


if __name__ == "__main__":
    main()
