"""Two writers of one index: while one command is held up in its middle, is every other one refused, and told why?

The first command is stopped by the kernel before a step in the middle of its work. Then every command that changes an
index runs against the same folder, and a reader looks at it; then the first one goes on and must complete as if nothing
had been. That a killed writer leaves no lock behind is seen by the second runs of `crash.py`.

    python bench/index/two_writers.py
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import steps
from cases import CASES, Bench, Case, Place, bench
from reporting import table, write

_BUSY = "another process is writing this index; wait for it to end"
_SECONDS = {
    "build": ("build", "FILES/first.jsonl", "--out", "FOLDER"),
    "add": ("add", "FOLDER", "FILES/new.jsonl"),
    "upsert": ("upsert", "FOLDER", "FILES/upserted.jsonl"),
    "delete": ("delete", "FOLDER", "d1"),
    "compact": ("compact", "FOLDER"),
    "restore": ("restore", "FOLDER", "1"),
    "tune": ("tune", "FOLDER", "--structure", "IVF1,Flat", "--threads", "1"),
    "snapshot": ("snapshot", "FOLDER", "FILES/copy"),
    "import": ("import", "FILES/first.jsonl", "--vectors", "FILES/first.npy", "--out", "FOLDER"),
}
# A folder without an index can only be built or imported into.
_NEW_FOLDER = ("build", "import")


class Trial(NamedTuple):
    """A first command and those that came while it worked.

    Attributes:
        refused: By command, what the second one was told; "" where it was told that another process is writing.
        seen: What a reader found meanwhile: "old", "new" or a fault.
        fault: Of the first command; "" where it completed.
    """

    refused: dict[str, str]
    seen: str
    fault: str


def trial(bench: Bench, case: Case) -> Trial:
    """Holds a command up in its middle and lets the others come."""
    counted = bench.place(case)
    length = len(
        steps.run_stepwise(bench.command(case.arguments, counted, case), counted.out(case), bench.output).steps
    )
    place = bench.place(case)
    refused: dict[str, str] = {}
    seen: list[str] = []

    def visit(step: steps.Step) -> bool:
        if step.number == length // 2:
            refused.update(others(bench, case, place))
            found = bench.look(place.out(case), [case.before, case.after])
            seen.append(found.fault or ("old" if 0 in found.holds else "new" if found.holds else "something else"))
        return False

    ended = steps.run_stepwise(bench.command(case.arguments, place, case), place.out(case), bench.root / "first", visit)
    after = bench.look(place.out(case), [case.after])
    fault = "" if ended.status == 0 and after.holds else f"status {ended.status}: {ended.output[-300:]} {after.fault}"
    return Trial(refused, seen[0], fault)


def others(bench: Bench, case: Case, place: Place) -> dict[str, str]:
    """What each command is told while another one writes."""
    told = {}
    folder = place.folder if case.prepare else place.out(case)
    for name, arguments in _SECONDS.items():
        if case.prepare or name in _NEW_FOLDER:
            words = {"FOLDER": folder, "FILES": bench.files}
            parts = [(one, *one.partition("/")) for one in arguments]
            given = [str(words[word] / rest) if word in words else one for one, word, _, rest in parts]
            ended = steps.run(bench.tart("index", *given), bench.output)
            is_refused = ended.status == 2 and _BUSY in ended.output and ended.output.count("\n") == 1
            told[name] = "" if is_refused else f"status {ended.status}: {ended.output[-300:]}"
    return told


def main() -> None:
    """Runs the trials and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", nargs="*", choices=[case.name for case in CASES], help="[default: all]")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where the report is written")
    arguments = parser.parse_args()
    if not steps.can_trace():
        sys.exit("needs Linux on x86-64")
    started = time.perf_counter()
    with bench(None) as made:
        wanted = [case for case in CASES if not arguments.commands or case.name in arguments.commands]
        found = {case.name: trial(made, case) for case in wanted}
    report(found, arguments.out, time.perf_counter() - started)


def report(found: dict[str, Trial], out: Path, seconds: float) -> None:
    """Writes the report; ends with status 1 where a trial failed."""
    rows = [
        [name, *(_cell(one, second) for second in _SECONDS), one.seen, "yes" if not one.fault else "NO"]
        for name, one in found.items()
    ]
    pairs = [told for one in found.values() for told in one.refused.values()]
    failed = [*(told for told in pairs if told), *(one.fault for one in found.values() if one.fault)]
    failed += [one.seen for one in found.values() if one.seen not in ("old", "new")]
    body = (
        "The first command (a row) was stopped in its middle; the second one (a column) then ran against the same "
        "folder. Refused: status 2 and one line that says that another process is writing the index. A reader looked "
        f"at the index meanwhile, and the first command then went on. {seconds:,.0f} s.\n\n"
        f"**{len(pairs)} pairs, {len(failed)} failures.**\n\n"
        + table(["", *_SECONDS, "a reader saw", "the first completed"], rows)
        + "\n\nA dash: the folder has no index yet, and only build and import make one."
    )
    body += "".join(f"\n\n- {message}" for message in failed)
    figures = {name: one._asdict() for name, one in found.items()}
    write(out, "Two writers", body, {"pairs": len(pairs), "failed": failed, "commands": figures}, "two_writers")
    sys.exit(1 if failed else 0)


def _cell(one: Trial, second: str) -> str:
    return "–" if second not in one.refused else "refused" if not one.refused[second] else "NO"  # noqa: RUF001


if __name__ == "__main__":
    main()
