"""Small parts merged as they pile up, so that many small changes do not leave an index of many small parts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tart_index.changes import ChangeResult, copied_part, publish_parts
from tart_index.folder import IndexFolder
from tart_index.manifest import Manifest, Part
from tart_index.parts import PART_SIZE
from tart_index.writer import KEPT_VERSIONS, IndexWriter

SMALL_PARTS = 16


def small_runs(manifest: Manifest, part_size: int = PART_SIZE, most: int = SMALL_PARTS) -> list[range]:
    """Where more than `most` parts in a row hold documents for less than half a part each.

    Returns:
        Numbers of parts, ascending.
    """
    large = [number for number, part in enumerate(manifest.parts) if 2 * _alive(manifest, part) >= part_size]
    bounds = [-1, *large, len(manifest.parts)]
    runs = [range(before + 1, after) for before, after in pairwise(bounds)]
    return [run for run in runs if len(run) > most]


def merge_small_parts(
    path: Path, *, part_size: int = PART_SIZE, most: int = SMALL_PARTS, keep: int = KEPT_VERSIONS
) -> ChangeResult:
    """Merges small parts that lie in a row; vectors are copied, documents and their order stay.

    It costs what the small parts hold. Called after every change, that is less than half a part for each `most`
    changes, however large the index is.

    Args:
        path: The index folder.
        part_size: Documents in a part.
        most: Small parts in a row that are left alone.
        keep: Versions that stay, the new one among them.

    Raises:
        IndexBusyError: Another writer is at work.
        IndexFolderError: There is no index, a small part is damaged, or the disk refuses.
    """
    with IndexWriter.lock(path, create=False) as writer:
        folder = IndexFolder.open(path)
        manifest = folder.manifest
        used = {part.name for part in manifest.parts}
        parts: list[Part] = []
        taken = 0
        for run in small_runs(manifest, part_size, most):
            parts += [*manifest.parts[taken : run.start], *_merged(folder, writer, run, part_size, used)]
            taken = run.stop
        parts += manifest.parts[taken:]
        return ChangeResult(publish_parts(writer, manifest, parts, dict(manifest.deletions), keep))


def _merged(folder: IndexFolder, writer: IndexWriter, run: range, part_size: int, used: set[str]) -> list[Part]:
    """The living rows of some parts, in as few parts as they fill."""
    for number in run:
        folder.verify_part(number)
    rows = [row for row in range(int(folder.starts[run.start]), int(folder.starts[run.stop])) if folder.is_alive(row)]
    return [copied_part(folder, writer, rows[at : at + part_size], used) for at in range(0, len(rows), part_size)]


def _alive(manifest: Manifest, part: Part) -> int:
    deletion = manifest.deletions.get(part.name)
    return part.count - (deletion.count if deletion is not None else 0)
