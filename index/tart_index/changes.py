"""Changes to a published index: add, upsert and delete documents, compact; each is one new version.

New documents become new parts, deleted ones are listed beside the part that holds them. So a change costs what it
changes, a crash between any two steps leaves the version before it, and readers keep the version that they opened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import SourceError
from tart.readers import ReadReport
from tart_index.corpus import Corpus, content_hash
from tart_index.folder import IndexFolder
from tart_index.keys import document_digest
from tart_index.manifest import Deletion, Manifest, Part, kept_structure
from tart_index.parts import (
    PART_SIZE,
    FreshPart,
    KnownVectors,
    Progress,
    Quiet,
    manifest_identity,
    part_chunks,
    part_identity,
    prepare_part,
    write_parts,
)
from tart_index.planning.standing import Published
from tart_index.planning.survey import Survey, survey_documents
from tart_index.searcher import check_model
from tart_index.writer import KEPT_VERSIONS, IndexWriter

OnExisting = Literal["fail", "skip", "replace"]


class ChangeResult(NamedTuple):
    """What a change did.

    Attributes:
        manifest: The published version; the old one where nothing changed.
        added: Documents that were not there before.
        replaced: Documents whose text, title or metadata changed.
        unchanged: Documents that were there already, word for word, or were skipped.
        deleted: Documents taken out.
        not_found: Ids to delete that were not there.
        embedded: Documents that the model had to embed.
    """

    manifest: Manifest
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    deleted: int = 0
    not_found: int = 0
    embedded: int = 0


@dataclass(slots=True)
class _Counts:
    added: int = 0
    replaced: int = 0
    unchanged: int = 0


@dataclass(slots=True)
class _Change:
    """A new version in the making, over an open one."""

    folder: IndexFolder
    doomed: set[int] = field(default_factory=set)
    counts: _Counts = field(default_factory=_Counts)

    def wanted(self, documents: Iterable[Document], on_existing: OnExisting) -> Iterator[Document]:
        """Documents that must be stored; the rows that they replace are marked."""
        for document in documents:
            row = self.folder.find(document.id)
            if row is None:
                self.counts.added += 1
                yield document
            elif on_existing == "skip" or document_digest(self.folder.document(row)) == document_digest(document):
                self.counts.unchanged += 1
            elif on_existing == "fail":
                raise SourceError(
                    f"the id {document.id!r} is in {self.folder.path} already, with another content; "
                    "use upsert to replace it, or --existing skip"
                )
            else:
                self.counts.replaced += 1
                self.doomed.add(row)
                yield document


def add_documents(
    path: Path,
    corpus: Corpus,
    encoder: Encoder,
    on_existing: OnExisting = "fail",
    *,
    part_size: int = PART_SIZE,
    keep: int = KEPT_VERSIONS,
    progress: Progress | None = None,
    approve: Callable[[Survey], None] | None = None,
) -> ChangeResult:
    """Adds documents behind those that are there; one whose id is there already is refused, skipped or replaced.

    Args:
        path: The index folder.
        corpus: What to add, no id twice.
        encoder: The model that made the index.
        on_existing: "replace" is an upsert; documents that are there word for word are left alone in any case.
        part_size: Documents in a part.
        keep: Versions that stay, the new one among them.
        progress: Is told how it goes on.
        approve: Is shown what a first reading found, and may raise an error before anything is embedded; without it
            the corpus is read once.

    Raises:
        SourceError: The corpus cannot be read, or an id is there already; nothing is published.
        IndexFolderError: There is no index, another model made it, or the disk refuses.
    """
    progress = progress or Quiet()
    with IndexWriter.lock(path, create=False) as writer:
        change = _Change(IndexFolder.open(path))
        change.folder.check_ids()
        check_model(change.folder, encoder)
        if approve is not None and corpus.rereadable:
            approve(_survey(change.folder, corpus, encoder, on_existing, part_size, progress))
        progress.start(None)
        fresh = change.wanted(corpus.documents(ReadReport()), on_existing)
        chunks = _fresh_parts(change.folder, writer, part_chunks(fresh, part_size), encoder)
        parts, embedded = write_parts(chunks, encoder, writer, progress)
        manifest = _publish(writer, change, parts, keep)
        counts = change.counts
        return ChangeResult(manifest, counts.added, counts.replaced, counts.unchanged, embedded=embedded)


def survey_change(
    path: Path,
    corpus: Corpus,
    encoder: Encoder,
    on_existing: OnExisting,
    *,
    part_size: int = PART_SIZE,
    progress: Progress | None = None,
) -> Survey | None:
    """Reads what would be added and tells what it holds; nothing is written.

    Returns:
        What was found; None for standard input, which can be read only once.

    Raises:
        SourceError: The corpus cannot be read.
        IndexFolderError: There is no index, or another model made it.
    """
    folder = IndexFolder.open(path)
    check_model(folder, encoder)
    if not corpus.rereadable:
        return None
    return _survey(folder, corpus, encoder, on_existing, part_size, progress or Quiet())


def _survey(
    folder: IndexFolder,
    corpus: Corpus,
    encoder: Encoder,
    on_existing: OnExisting,
    part_size: int,
    progress: Progress,
) -> Survey:
    standing = Published(folder, _known(folder, encoder), skip=on_existing == "skip")
    return survey_documents(corpus.documents(ReadReport()), part_size, standing, progress.checked)


def delete_documents(path: Path, ids: Iterable[str], *, keep: int = KEPT_VERSIONS) -> ChangeResult:
    """Takes documents out by their ids; ids that are not there are counted.

    Raises:
        SourceError: An id is no text.
        IndexFolderError: There is no index, or the disk refuses.
    """
    with IndexWriter.lock(path, create=False) as writer:
        change = _Change(IndexFolder.open(path))
        change.folder.check_ids()
        not_found = 0
        for document_id in dict.fromkeys(ids):
            if not isinstance(document_id, str):
                raise SourceError(f"found the id {document_id!r}, a {type(document_id).__name__}; wanted a string")
            row = change.folder.find(document_id)
            if row is None:
                not_found += 1
            else:
                change.doomed.add(row)
        manifest = _publish(writer, change, [], keep)
        return ChangeResult(manifest, deleted=len(change.doomed), not_found=not_found)


def compact(path: Path, *, part_size: int = PART_SIZE, keep: int = KEPT_VERSIONS) -> ChangeResult:
    """Rewrites the index into full parts without deleted rows; vectors are copied, nothing is embedded.

    Documents and their order stay. Parts that are full and have no deleted row are taken over as they are.

    Raises:
        IndexFolderError: There is no index, it is damaged, or the disk refuses.
    """
    with IndexWriter.lock(path, create=False) as writer:
        folder = IndexFolder.open(path)
        for _ in folder.verify():
            pass
        parts = list(_compacted(folder, writer, part_size))
        return ChangeResult(publish_parts(writer, folder.manifest, parts, {}, keep))


def _compacted(folder: IndexFolder, writer: IndexWriter, part_size: int) -> Iterator[Part]:
    manifest = folder.manifest
    used: set[str] = set()
    pending: list[int] = []
    start = 0
    for part in manifest.parts:
        rows = [row for row in range(start, start + part.count) if folder.is_alive(row)]
        start += part.count
        if not pending and len(rows) == part.count >= part_size:
            used.add(part.name)
            yield part
            continue
        pending += rows
        while len(pending) >= part_size:
            yield copied_part(folder, writer, pending[:part_size], used)
            pending = pending[part_size:]
    if pending:
        yield copied_part(folder, writer, pending, used)


def copied_part(folder: IndexFolder, writer: IndexWriter, rows: Sequence[int], used: set[str]) -> Part:
    """A part of rows that are there already, vectors and all; its name joins those that are used."""
    documents = [folder.document(row) for row in rows]
    name = _free_name(folder.manifest, documents, used)
    used.add(name)
    stored = writer.find_part(name, len(documents))
    if stored is not None:
        return stored
    vectors = np.stack([folder.vector(row) for row in rows]).astype(folder.manifest.vector_dtype, copy=False)
    truncated = np.array([folder.truncated(row) for row in rows], dtype=np.bool_)
    return writer.write_part(name, documents, vectors, truncated)


def _fresh_parts(
    folder: IndexFolder, writer: IndexWriter, chunks: Iterable[list[Document]], encoder: Encoder
) -> Iterator[Part | FreshPart]:
    """New parts; one that a killed run finished, or that an older version holds, is taken as it is.

    To write it again would break that version, for a model does not make the same bits of a text twice.
    """
    manifest = folder.manifest
    used = {part.name for part in manifest.parts}
    known = _known(folder, encoder)
    for documents in chunks:
        name = _free_name(manifest, documents, used)
        used.add(name)
        stored = writer.find_part(name, len(documents))
        yield stored or prepare_part(name, documents, encoder, known, manifest.vector_dtype)


def _known(folder: IndexFolder, encoder: Encoder) -> KnownVectors:
    manifest = folder.manifest
    same = manifest_identity(manifest) == part_identity(encoder, manifest.vector_dtype)
    return KnownVectors(folder if same else None)


def _free_name(manifest: Manifest, documents: Sequence[Document], used: set[str]) -> str:
    """A name for a part that the version has not: the same documents may have been added, deleted and added again."""
    identity = manifest_identity(manifest)
    names = (content_hash(salt, documents) for salt in chain([identity], _salted(identity, manifest.version)))
    return next(name for name in names if name not in used)


def _salted(identity: Sequence[str], version: int) -> Iterator[tuple[str, ...]]:
    number = version
    while True:
        number += 1
        yield (*identity, f"version {number}")


def _publish(writer: IndexWriter, change: _Change, parts: Sequence[Part], keep: int) -> Manifest:
    before = change.folder.manifest
    if not parts and not change.doomed:
        return before
    deletions = {**before.deletions, **_deletions(writer, change)}
    return publish_parts(writer, before, [*before.parts, *parts], deletions, keep)


def _deletions(writer: IndexWriter, change: _Change) -> dict[str, Deletion]:
    """New lists of deleted rows, for the parts that lose some."""
    by_part: dict[int, list[int]] = defaultdict(list)
    for row in change.doomed:
        number, inside = change.folder.locate(row)
        by_part[number].append(inside)
    return {
        change.folder.manifest.parts[number].name: writer.write_deletion(
            np.union1d(change.folder.deleted_rows(number), np.array(rows, dtype=np.int64))
        )
        for number, rows in by_part.items()
    }


def publish_parts(
    writer: IndexWriter, before: Manifest, parts: Sequence[Part], deletions: dict[str, Deletion], keep: int
) -> Manifest:
    """The next version over some parts; those of which nothing is left are dropped."""
    left = [part for part in parts if part.name not in deletions or deletions[part.name].count < part.count]
    counts = {part.name: part.count for part in left}
    manifest = before.successor(
        parts=tuple(left),
        deletions={name: deletion for name, deletion in deletions.items() if name in counts},
        structure=kept_structure(before, counts),
    )
    if manifest.fingerprint == before.fingerprint:
        return before
    writer.publish(manifest, keep)
    return manifest
