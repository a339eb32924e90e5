"""Plans of the commands: from a survey of the corpus, the settings and the machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tart.encoder import Encoder
from tart_index.ann.choose import Wanted
from tart_index.ann.structures import is_there
from tart_index.folder import IndexFolder
from tart_index.planning.plan import Plan, Stage
from tart_index.planning.sizes import VectorLayout, disk_of, listing_bytes, memory_of, parts_of
from tart_index.planning.speed import Speed, measure_speed
from tart_index.planning.structure import StructureNeed, structure_need
from tart_index.planning.survey import Survey
from tart_index.planning.words import size

# Seconds for a document that is hashed, written and flushed, or read from a part before that; measured.
_WRITING = (3e-5, 2e-4)
_COPYING = (5e-5, 4e-4)
# Bytes a second that are read and hashed; measured.
_HASHING = (2e9, 2e8)
# Speed on a sample against that of hours.
_EMBEDDING = (0.9, 1.2)
_STARTING = (0.1, 1.0)


def plan_build(
    survey: Survey, path: Path, encoder: Encoder, layout: VectorLayout, part_size: int, wanted: Wanted | None = None
) -> Plan:
    """Of a build, an addition or an upsert.

    Args:
        survey: Of the corpus.
        path: The index folder.
        encoder: The model; a few batches are embedded to see how fast it is.
        layout: Of the vectors that will be stored.
        part_size: Documents in a part.
        wanted: The search structure that is made at the end, if any.

    Raises:
        IndexFolderError: No structure fits into the memory wanted, or FAISS does not know it.
    """
    need = None if wanted is None else structure_need(survey.documents, layout, wanted)
    speed = measure_speed(encoder, survey)
    stages = [_embedding(survey, speed), *(need.stages if need is not None else [])]
    memory = max(memory_of(survey, layout, part_size, encoder.max_length), need.memory if need is not None else 0)
    disk = disk_of(survey, layout, part_size) + (need.disk if need is not None else 0)
    return Plan.of(path, _told(survey, speed, need), stages, memory, disk)


def plan_import(survey: Survey, path: Path, layout: VectorLayout, part_size: int) -> Plan:
    """Of an import: vectors are there already."""
    work = f"{survey.documents:,} documents ({size(survey.text_bytes)} of text) with their vectors"
    return Plan.of(
        path,
        work,
        [_written(survey)],
        memory_of(survey, layout, part_size),
        disk_of(survey, layout, part_size),
    )


def plan_compact(folder: IndexFolder, part_size: int) -> Plan:
    """Of a compaction: everything is read and compared with its checksums, parts that are not full are rewritten."""
    rows, written = _rewritten(folder, part_size)
    stored = sum(file.bytes for part in folder.manifest.parts for file in part.files.values())
    each = stored / max(folder.manifest.rows, 1)
    work = f"{rows:,} of {folder.manifest.count:,} documents rewritten; older versions stay until they are pruned"
    stages = [
        Stage("checking", stored / _HASHING[0], stored / _HASHING[1] + _STARTING[0]),
        Stage("writing", rows * _COPYING[0], rows * _COPYING[1] + _STARTING[1]),
    ]
    # Rows of a part are held as documents, as vectors and as what is written.
    held = min(part_size, rows) * (4 * each + 4_000)
    return Plan.of(folder.path, work, stages, round(held), written)


def plan_tune(folder: IndexFolder, wanted: Wanted, layout: VectorLayout) -> Plan:
    """Of a search structure over a published version.

    Raises:
        IndexFolderError: No structure fits into the memory wanted, or FAISS does not know it.
    """
    manifest = folder.manifest
    need = structure_need(manifest.rows, layout, wanted)
    told = f"{manifest.rows:,} vectors of {layout.dim}"
    if need is None:
        return Plan.of(folder.path, f"{told}: exact search, no structure", [], 0, 0)
    if is_there(manifest, wanted, need.tried):
        return Plan.of(folder.path, f"{told}: the structure is there already", [], 0, 0)
    return Plan.of(
        folder.path, f"{told}: {need.factory}, recall {wanted.recall:g}", need.stages, need.memory, need.disk
    )


def _embedding(survey: Survey, speed: Speed) -> Stage:
    """Reading, tokenising and writing go on beside the model: the slower of the two is what it takes."""
    other = _written(survey)
    least = max(speed.seconds * _EMBEDDING[0], other.least)
    return Stage("embedding", least, max(speed.seconds * _EMBEDDING[1] + _STARTING[1], other.most))


def _written(survey: Survey) -> Stage:
    rows = survey.count_of("embed", "copy")
    return Stage(
        "writing",
        survey.seconds + rows * _WRITING[0] + _STARTING[0],
        2 * survey.seconds + rows * _WRITING[1] + _STARTING[1],
    )


def _told(survey: Survey, speed: Speed, need: StructureNeed | None) -> str:
    embedded, copied = survey.count_of("embed"), survey.count_of("copy")
    there = survey.documents - embedded - copied
    found = [f"{embedded:,} to embed (about {speed.tokens:,} tokens at {speed.per_second:,.0f}/s)" if embedded else ""]
    found += [f"{copied:,} whose vectors are taken over" if copied else "", f"{there:,} there already" if there else ""]
    structure = f"; then {need.factory}" if need is not None else ""
    return f"{survey.documents:,} documents: {', '.join(one for one in found if one) or 'nothing to do'}{structure}"


def _rewritten(folder: IndexFolder, part_size: int) -> tuple[int, int]:
    """Rows that a compaction writes anew, and about how many bytes: full parts without a deleted row stay."""
    rows = pending = 0
    written = 0.0
    for number, part in enumerate(folder.manifest.parts):
        alive = part.count - len(np.unique(folder.deleted_rows(number)))
        if not pending and alive == part.count >= part_size:
            continue
        pending = (pending + alive) % part_size
        rows += alive
        written += alive / part.count * sum(file.bytes for file in part.files.values())
    return rows, round(written) + listing_bytes(parts_of(rows, part_size)) if rows else 0
