"""The folder of a selection: the chosen rows, where each comes from, and what was done; published by one rename."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tart.errors import SourceError
from tart_index.files import sync, writing
from tart_index.selection.chosen import Selection
from tart_index.selection.run import SelectionRun
from tart_index.selection.sources import row_json

SELECTED = "selected.jsonl"
PROVENANCE = "provenance.jsonl"
CARD = "selection.json"
CONTROLS = "controls"


def write_selection(run: SelectionRun, out: Path, add: Callable[[Path], None] = lambda folder: None) -> None:
    """Writes the folder of a selection and its controls; it appears whole or not at all.

    Args:
        run: What was chosen.
        out: The folder; must not be there, or be empty.
        add: Writes more into the unfinished folder, such as a report.

    Raises:
        SourceError: The folder is there, or a row holds something that JSON cannot.
        IndexFolderError: The disk is full or refuses.
    """
    refuse_existing(out)
    unfinished = out.with_name(f".{out.name}.unfinished")
    with writing(out):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _write(run, run.selection, unfinished, is_control=False)
        for name, control in run.controls.items():
            folder = unfinished / CONTROLS / name
            folder.mkdir(parents=True)
            _write(run, control, folder, is_control=True)
        add(unfinished)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
        sync(out.parent)


def published_fingerprint(out: Path) -> str | None:
    """The fingerprint of the selection in a folder; None where there is none."""
    try:
        card = json.loads((out / CARD).read_bytes())
    except (OSError, ValueError):
        return None
    found = card.get("fingerprint") if isinstance(card, dict) else None
    return found if isinstance(found, str) else None


def refuse_existing(out: Path) -> None:
    """Refuses a folder that holds something.

    Raises:
        SourceError: It does, or it is a file.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SourceError(f"{out}: is there already; wanted a new or empty folder for the selection")


def _write(run: SelectionRun, selection: Selection, folder: Path, *, is_control: bool) -> None:
    _write_lines(folder / SELECTED, (row_json(run.pool.examples[one.row].values) for one in selection.chosen))
    _write_lines(folder / PROVENANCE, (json.dumps(one.provenance(), ensure_ascii=False) for one in selection.chosen))
    card = json.dumps(run.to_json(selection if is_control else None), indent=1, ensure_ascii=False)
    _write_lines(folder / CARD, [card])
    _write_lines(folder / "README.md", _readme(run, selection, is_control=is_control))
    sync(folder)


def _write_lines(file: Path, lines: Iterable[str]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(line + "\n" for line in lines)
    sync(file)


def _readme(run: SelectionRun, selection: Selection, *, is_control: bool) -> Iterator[str]:
    """A data card whose head tells `datasets` which file holds the rows."""
    yield from ("---", "configs:", "- config_name: default", f"  data_files: {SELECTED}", "---")
    yield f"# {len(selection.chosen):,} rows of {run.pool.name}, chosen by {selection.method}"
    yield ""
    if is_control:
        yield f"A control: as many rows as {run.selection.method} chose, under the same conditions."
    else:
        yield f"Chosen for their likeness to {len(run.targets):,} examples of {run.targets.name}."
    yield ""
    yield f"- `{SELECTED}`: the rows as they are in the pool, best first."
    yield f"- `{PROVENANCE}`: for each row its id, rank, score, count, target, task and pool."
    yield f"- `{CARD}`: method, options, model, checksums of pool and target."
    yield "- `sft.jsonl`: those with an answer, for trainers, as `prompt` and `completion` or as `messages`."
    if not is_control:
        yield "- `report.html`, `report.md`: what was chosen, to look at."
    for note in selection.notes:
        yield f"- {note}"
