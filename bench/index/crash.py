"""kill -9 before every change that a command makes to an index folder: is the old version there, or the new one?

Each command of the matrix runs once undisturbed, and then once for every write, flush, rename, link, removal and made
folder or file that it was seen to make: the kernel stops the process before that step and it is killed there. After
each kill a fresh process opens the index, verifies it and compares documents, vectors, metadata and the hits of
filtered searches with what must be there; then the same command runs again, and a fresh process looks again.

    python bench/index/crash.py --every 25
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import steps
from cases import CASES, Bench, Case, Place, bench
from contents import Seen
from reporting import table, write

# A build that is to make a structure publishes the documents first: that version is "midway".
STATES = ("old", "midway", "new")


class Trial(NamedTuple):
    """A command that was killed.

    Attributes:
        number: Of the step that it did not make.
        step: What that was.
        state: one of `STATES`, or what is wrong.
        rerun: "" where the same command completed and left the new content.
    """

    number: int
    step: str
    state: str
    rerun: str


def undisturbed(bench: Bench, case: Case) -> tuple[list[steps.Step], int]:
    """The steps of a command, and the version that it publishes."""
    place = bench.place(case)
    ended = steps.run_stepwise(bench.command(case.arguments, place, case), place.out(case), bench.output)
    seen = bench.look(place.out(case), [case.after])
    if ended.status or not seen.holds:
        raise RuntimeError(f"{case.name}: {ended.status} {ended.output} {seen}")
    return ended.steps, seen.version


def trial(bench: Bench, case: Case, number: int, new: int) -> Trial:
    """Kills a command before its n-th step; `new` is the version that it would publish."""
    place = bench.place(case)
    work = bench.command(case.arguments, place, case)
    ended = steps.run_stepwise(work, place.out(case), bench.output, lambda step: step.number == number)
    if ended.status != -9:
        return Trial(number, "", f"was not killed: {ended.status} {ended.output}", "")
    contents = [case.before, case.after, *([] if case.midway is None else [case.midway])]
    seen = bench.look(place.out(case), contents)
    step = ended.steps[-1]
    return Trial(number, f"{step.call} {step.path.name}", _state(seen, new), _again(bench, case, place))


def _state(seen: Seen, new: int) -> str:
    if seen.fault or not seen.holds:
        return seen.fault or "another content than before or after"
    if 1 in seen.holds and seen.version == new:
        return "new"
    return (
        "midway" if 2 in seen.holds else "old" if 0 in seen.holds else "a content that does not belong to its version"
    )


def _again(bench: Bench, case: Case, place: Place) -> str:
    """Runs the same command once more; "" where it leaves the new content."""
    ended = steps.run(bench.command(case.arguments, place, case), bench.output)
    is_done = bool(case.again) and ended.status == 2 and case.again in ended.output
    if ended.status and not is_done:
        return f"status {ended.status}: {ended.output[-300:]}"
    seen = bench.look(place.out(case), [case.after])
    return seen.fault or ("" if seen.holds else "another content after the second run")


def matrix(bench: Bench, case: Case, every: int) -> tuple[list[steps.Step], list[Trial]]:
    """A command killed before each of its steps, or before every n-th."""
    made, new = undisturbed(bench, case)
    return made, [trial(bench, case, number, new) for number in range(1, len(made) + 1, every)]


def row(case: Case, made: Sequence[steps.Step], trials: Sequence[Trial]) -> list[str]:
    states = Counter(each.state if each.state in STATES else "failed" for each in trials)
    calls = Counter(step.call for step in made)
    told = ", ".join(f"{count} {call}" for call, count in calls.most_common())
    counted = [f"{states[state]:,}" for state in (*STATES, "failed")]
    return [case.name, f"{len(made):,}", f"{len(trials):,}", *counted, f"{sum(bool(t.rerun) for t in trials)}", told]


def main() -> None:
    """Runs the matrix and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", nargs="*", choices=[case.name for case in CASES], help="[default: all]")
    parser.add_argument("--every", type=int, default=1, help="kill before every n-th step only")
    parser.add_argument("--folder", type=Path, help="where the trials write [default: memory]")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where the report is written")
    arguments = parser.parse_args()
    if not steps.can_trace():
        sys.exit("needs Linux on x86-64")
    started = time.perf_counter()
    found: dict[str, tuple[list[steps.Step], list[Trial]]] = {}
    with bench(arguments.folder) as made:
        for case in CASES:
            if not arguments.commands or case.name in arguments.commands:
                found[case.name] = matrix(made, case, arguments.every)
                print(
                    row(case, *found[case.name]), f"{time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True
                )
    report(found, arguments.out, time.perf_counter() - started)


def report(found: dict[str, tuple[list[steps.Step], list[Trial]]], out: Path, seconds: float) -> None:
    """Writes the report; ends with status 1 where a trial failed."""
    by_name = {case.name: case for case in CASES}
    trials = [(name, each) for name, (_, some) in found.items() for each in some]
    failed = [(name, t) for name, t in trials if t.state not in STATES or t.rerun]
    body = (
        "Every command ran in a process of its own, which the kernel stopped before each of its system calls that "
        "write, flush, make, rename, link or remove something in the index folder; there it was killed with SIGKILL. "
        "Then a fresh process opened and verified the index and compared documents, vectors, metadata and filtered "
        f"hits with what must be there, and the same command ran again. {seconds:,.0f} s; the vectors are counts of "
        f"tokens.\n\n**{len(trials):,} kills, {len(failed):,} that left something else than the old version or the new "
        "one, or that the same command did not mend.**\n\n"
        + table(
            ["command", "steps", "kills", *STATES, "failed", "second run failed", "the steps"],
            [row(by_name[name], *some) for name, some in found.items()],
        )
    )
    body += "".join(f"\n\n- {name}, step {t.number} ({t.step}): {t.state}; {t.rerun}" for name, t in failed[:40])
    figures = {
        "kills": len(trials),
        "failed": [{"command": name, **t._asdict()} for name, t in failed],
        "commands": {
            name: {"steps": [f"{s.call} {s.path}" for s in made], "states": [t.state for t in some]}
            for name, (made, some) in found.items()
        },
    }
    write(out, "kill -9 before every step", body, figures, "crash")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
