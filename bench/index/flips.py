"""A bit, a byte or the length of a random file of an index changes: is it always found, and does nothing ever crash?

The index has two kept versions, several parts, metadata of every type, deleted documents and a search structure. For
each trial one file of it (drawn by the square root of its size, so that small ones have their turn) is damaged at a
random place. Then a process of its own runs `tart index verify`, and another one searches without having verified:
with filters and without, through the structure and exactly. A verification that finds nothing, and a process that ends
by a signal or by an error that is none of ours, are failures.

    python bench/index/flips.py --trials 50
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import steps
from cases import PART, Bench, bench, write_corpus
from contents import find_hits, made_up
from reporting import table, write

from tart.errors import TartError

DAMAGES = ("bit", "byte", "cut", "appended")
DOCUMENTS = made_up(range(40))
MORE = made_up(range(40, 46))
GONE = ("d3", "d11", "d12", "d44")


class Trial(NamedTuple):
    """What became of one damage.

    Attributes:
        file: Its name, or its kind where the name is a hash.
        damage: One of `DAMAGES`.
        verify: "found", "not found", or how the process ended.
        search: "refused", "same answers", "other answers", or how the process ended.
        place: Of the damage, for whoever looks into it.
    """

    file: str
    damage: str
    verify: str
    search: str
    place: str


def make_index(bench: Bench) -> Path:
    """The index to be damaged."""
    write_corpus(bench.files / "many.jsonl", DOCUMENTS)
    write_corpus(bench.files / "more.jsonl", MORE)
    index = bench.root / "sound"
    for arguments in (
        ("build", str(bench.files / "many.jsonl"), "--out", str(index), "--part-size", str(2 * PART)),
        ("tune", str(index), "--structure", "IVF2,SQ8", "--sample", "20", "--threads", "1", "--recall", "0.5"),
        ("add", str(index), str(bench.files / "more.jsonl")),
        ("delete", str(index), *GONE),
    ):
        bench.run(bench.tart("index", *arguments))
    return index


def files_of(index: Path) -> list[Path]:
    """Every file that holds something; the lock's is empty, and no program reads it."""
    return sorted(file.relative_to(index) for file in index.rglob("*") if file.is_file() and file.stat().st_size)


def damaged(content: bytes, damage: str, rng: random.Random) -> tuple[bytes, str]:
    """Other bytes, and where they differ."""
    place = rng.randrange(len(content))
    if damage == "cut":
        return content[:place], f"cut to {place} of {len(content)}"
    if damage == "appended":
        return content + rng.randbytes(rng.randint(1, 64)), f"appended to {len(content)}"
    change = 1 << rng.randrange(8) if damage == "bit" else rng.randint(1, 255)
    changed = bytearray(content)
    changed[place] ^= change
    return bytes(changed), f"byte {place} of {len(content)} ^ {change:#04x}"


def trial(bench: Bench, index: Path, files: Sequence[Path], wanted: Any, rng: random.Random) -> Trial:
    """Damages a file, looks what verification and search make of it, and mends it."""
    weights = [(index / file).stat().st_size ** 0.5 for file in files]
    file = rng.choices(files, weights)[0]
    damage = rng.choices(DAMAGES, [5, 3, 2, 1])[0]
    content = (index / file).read_bytes()
    changed, place = damaged(content, damage, rng)
    (index / file).write_bytes(changed)
    try:
        found, answers = verification(bench, index), answered(bench, index)
    finally:
        (index / file).write_bytes(content)
    same = "same answers" if answers == wanted else "other answers"
    searched = answers if isinstance(answers, str) else same
    return Trial(_kind(file), damage, found, searched, f"{file} {place}")


def verification(bench: Bench, index: Path) -> str:
    """What `tart index verify` says."""
    ended = steps.run(bench.tart("index", "verify", str(index)), bench.output)
    if ended.status == 0:
        return "not found"
    clean = ended.status == 2 and ended.output.count("\n") == 1 and ended.output.startswith("tart: ")
    return "found" if clean else f"ended with {ended.status}: {ended.output[-400:]}"


def answered(bench: Bench, index: Path) -> Any:
    """The hits of several searches, "refused", or how the process ended."""

    def search() -> None:
        try:
            print(json.dumps(find_hits(index)))
        except TartError:
            sys.exit(2)

    ended = steps.run(search, bench.output)
    if ended.status == 2:
        return "refused"
    return json.loads(ended.output) if ended.status == 0 else f"ended with {ended.status}: {ended.output[-400:]}"


def _kind(file: Path) -> str:
    kinds = {
        "parts": file.name,
        "versions": "versions/N.json",
        "deletions": "deletions/NAME.npy",
        "ann": "ann/NAME.faiss",
    }
    return kinds.get(file.parts[0], file.name)


def is_good(one: Trial) -> bool:
    """Whether the damage was found, and nothing crashed."""
    return one.verify == "found" and one.search in ("refused", "same answers", "other answers")


def main() -> None:
    """Runs the trials and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the trials write [default: memory]")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where the report is written")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)  # noqa: S311 (places, not secrets)
    started = time.perf_counter()
    with bench(arguments.folder) as made:
        index = make_index(made)
        files, wanted = files_of(index), answered(made, index)
        if verification(made, index) != "not found" or isinstance(wanted, str):
            raise RuntimeError(f"the sound index is not sound: {verification(made, index)}, {wanted}")
        trials = [trial(made, index, files, wanted, rng) for _ in range(arguments.trials)]
        if answered(made, index) != wanted:
            raise RuntimeError("the index was not mended after the trials")
    report(trials, arguments, time.perf_counter() - started)


def report(trials: Sequence[Trial], arguments: argparse.Namespace, seconds: float) -> None:
    """Writes the report; ends with status 1 where a damage was missed or something crashed."""
    bad = [one for one in trials if not is_good(one)]
    crashed = [one for one in trials if "ended with" in one.verify + one.search]
    searches = ("refused", "same answers", "other answers")
    rows = []
    for kind in sorted({one.file for one in trials}):
        some = [one for one in trials if one.file == kind]
        said = Counter(one.search for one in some)
        found = sum(one.verify == "found" for one in some)
        rows.append(
            [
                kind,
                f"{len(some)}",
                f"{found}",
                *(f"{said[each]}" for each in searches),
                f"{len([o for o in some if o in crashed])}",
            ]
        )
    found = sum(one.verify == "found" for one in trials)
    refused = sum(one.search == "refused" for one in trials)
    unnoticed = sum(one.verify != "found" and one.search == "other answers" for one in trials)
    damages = Counter(one.damage for one in trials)
    body = (
        f"One random file of an index (parts, deletions, structure, manifests) was damaged at a random place, "
        f"{len(trials):,} times: {', '.join(f'{damages[each]} {each}' for each in DAMAGES)}. A process of its own ran "
        "`tart index verify`; another one opened the index without verifying, looked up 50 ids and "
        f"texts and ran 16 searches, with filters and without, through the structure and exactly. {seconds:,.0f} s.\n\n"
        f"**{found:,} of {len(trials):,} found by verify, {refused:,} of them refused when the index is opened or "
        f"searched; {len(trials) - found:,} missed, {len(crashed)} crashes, {unnoticed} wrong answers of an index that "
        "verify finds sound.**\n\n"
        + table(
            ["file", "trials", "found by verify", "search: refused", "same answers", "other answers", "crashes"], rows
        )
        + '\n\n"Other answers" are those of a search that nobody verified first: vectors, texts and metadata are read '
        "where they lie in the mapped files, never the whole of them, so a changed number changes a score. The service "
        "verifies before it is ready and before it switches."
    )
    body += "".join(
        f"\n\n- {one.file}, {one.damage}, {one.place}: verify {one.verify}; search {one.search}" for one in bad[:40]
    )
    outcomes = Counter(f"{one.file}: {one.damage}: verify {one.verify}, search {one.search}" for one in trials)
    figures = {
        "trials": len(trials),
        "found": found,
        "refused": refused,
        "crashes": len(crashed),
        "seed": arguments.seed,
        "bad": [one._asdict() for one in bad],
        "outcomes": dict(sorted(outcomes.items())),
    }
    write(arguments.out, "Flipped bits and cut files", body, figures, "flips")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
