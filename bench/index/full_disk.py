"""A disk that fills at several places of every command that changes an index: what is said, and what is left?

The index lies on a tmpfs with so many pages of 4 KiB free; their number grows until the command gets through. Each time
the command must end with one line that tells to free space, the version before must be whole, and with space freed the
same command must complete. Needs root, to mount the tmpfs.

    sudo python bench/index/full_disk.py --commands add delete
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import steps
from cases import CASES, Bench, Case, Place, bench
from reporting import table, write

_PAGE = 4_096
_SIZE = 16 << 20
_MOST_PAGES = 1_024


class Trial(NamedTuple):
    """A command on a disk that fills.

    Attributes:
        pages: That were free.
        fault: What was wrong; "" where nothing was.
        message: What the command said.
        completed: Whether there was room enough.
    """

    pages: int
    fault: str
    message: str
    completed: bool


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 16 MiB in memory."""
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    done = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"cannot mount a tmpfs ({done.stderr.strip()}); run as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, pages: int) -> Path:
    """Fills a disk but for some pages; returns the file that takes the room."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    filler.write_bytes(b"\1" * (free - pages * _PAGE))
    return filler


def trial(bench: Bench, case: Case, disk: Path, pages: int) -> Trial:
    """Runs a command with so many pages free, and once more with all of them."""
    place = Place(disk / "trial")
    shutil.rmtree(place.root, ignore_errors=True)
    shutil.copytree(bench.place(case).root, place.root)
    filler = fill(disk, pages)
    work = bench.command(case.arguments, place, case)
    ended = steps.run(work, bench.output)
    first = bench.look(place.out(case), [case.before, case.after, case.midway or case.before])
    filler.unlink()
    if ended.status == 0:
        return Trial(pages, "" if 1 in first.holds else f"completed, but: {first}", ended.output, completed=True)
    message = ended.output.strip()
    again = steps.run(work, bench.output)
    second = bench.look(place.out(case), [case.after])
    return Trial(pages, _fault(ended, message, first.holds, first.fault, again, second.holds), message, completed=False)


def _fault(
    ended: steps.Ended, message: str, first: Sequence[int], fault: str, again: steps.Ended, second: Sequence[int]
) -> str:
    if ended.status != 2 or "\n" in message or "free some space" not in message:
        return f"status {ended.status}: {message[-300:]}"
    if not first:
        return f"not the old version: {fault}"
    return "" if again.status == 0 and second else f"the second run: {again.status} {again.output[-300:]}"


def fillings() -> Iterator[int]:
    """Pages that are left free, denser where there are few."""
    pages = 0
    while pages <= _MOST_PAGES:
        yield pages
        pages += 1 + pages // 4


def trials(bench: Bench, case: Case, disk: Path) -> list[Trial]:
    """A command with more and more room, until it gets through."""
    made = []
    for pages in fillings():
        made.append(trial(bench, case, disk, pages))
        if made[-1].completed:
            break
    return made


def main() -> None:
    """Runs the trials and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    changing = [case for case in CASES if case.work is None]
    parser.add_argument("--commands", nargs="*", choices=[case.name for case in changing], help="[default: all]")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where the report is written")
    arguments = parser.parse_args()
    started = time.perf_counter()
    found: dict[str, list[Trial]] = {}
    with bench(None) as made, small_disk(made.root / "disk") as disk:
        for case in changing:
            if not arguments.commands or case.name in arguments.commands:
                found[case.name] = trials(made, case, disk)
                print(case.name, len(found[case.name]), f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    report(found, arguments.out, time.perf_counter() - started)


def report(found: dict[str, list[Trial]], out: Path, seconds: float) -> None:
    """Writes the report; ends with status 1 where a trial failed."""
    failed = [(name, each) for name, some in found.items() for each in some if each.fault]
    rows = []
    for name, some in found.items():
        full = [each for each in some if not each.completed]
        room = next((f"{each.pages * 4} KiB" for each in some if each.completed), "more")
        rows.append([name, f"{len(full)}", f"{sum(bool(each.fault) for each in some)}", room])
    full = sum(not each.completed for some in found.values() for each in some)
    body = (
        "The index lay on a tmpfs that had so much room left, in pages of 4 KiB, that the command failed earlier or "
        "later; then the room was given back, and the same command ran again. All was well where the "
        "command ended with status 2 and one line that tells to free space, a fresh process found the old version "
        f"whole, and the second run completed with the new content. {seconds:,.0f} s.\n\n"
        f"**{full} full disks, {len(failed)} failures.**\n\n"
        + table(["command", "full disks", "failures", "got through with"], rows)
        + "\n\nA snapshot is made of hard links: it needs room for its manifest only."
    )
    body += "".join(f"\n\n- {name}, {each.pages} pages: {each.fault}" for name, each in failed[:40])
    figures = {name: [each._asdict() for each in some] for name, some in found.items()}
    write(out, "A full disk", body, {"full": full, "failed": len(failed), "commands": figures}, "full_disk")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
