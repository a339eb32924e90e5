"""Versions of an index: list, restore, snapshot and compare them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tart.errors import IndexFolderError
from tart_index.ann.stored import ANN
from tart_index.files import sync, writing
from tart_index.folder import DELETIONS, MANIFEST, PARTS, IndexFolder, read_manifest
from tart_index.keys import document_digest
from tart_index.manifest import Manifest, Part, this_moment
from tart_index.writer import KEPT_VERSIONS, IndexWriter, refuse_foreign, stored_versions, version_file


class Difference(NamedTuple):
    """How one version differs from another, by ids in the order of their corpora."""

    added: list[str]
    removed: list[str]
    changed: list[str]


def versions(path: Path) -> list[Manifest]:
    """The versions that are kept, oldest first.

    Raises:
        IndexFolderError: There is no index, or a version cannot be read.
    """
    published = read_manifest(path)
    numbers = [number for number in stored_versions(path) if number < published.version]
    return [*(read_version(path, number) for number in numbers), published]


def read_version(path: Path, number: int) -> Manifest:
    """The manifest of a version.

    Raises:
        IndexFolderError: It is not kept, or cannot be read.
    """
    published = read_manifest(path)
    if number == published.version:
        return published
    file = version_file(path, number)
    if not file.is_file() or number > published.version:
        kept = ", ".join(
            str(n) for n in [*(n for n in stored_versions(path) if n < published.version), published.version]
        )
        raise IndexFolderError(f"{path}: version {number} is not kept; there are {kept}")
    return Manifest.from_bytes(file.read_bytes())


def verify_kept(folder: IndexFolder) -> list[int]:
    """Reads what the kept versions before the published one hold and it does not, and every manifest.

    Args:
        folder: The published version, verified.

    Returns:
        The numbers of the versions.

    Raises:
        IndexFolderError: Something is damaged; `tart index restore` would refuse that version.
    """
    path, published = folder.path, folder.manifest
    _check_manifests(path, published)
    sound = {_part_key(folder, part) for part in published.parts}
    numbers = [number for number in stored_versions(path) if number < published.version]
    for number in numbers:
        older = IndexFolder(path, read_version(path, number))
        for place, part in enumerate(older.manifest.parts):
            if _part_key(older, part) not in sound:
                sound.add(_part_key(older, older.verify_part(place)))
        if older.manifest.structure != published.structure:
            older.verify_structure()
    return numbers


def _check_manifests(path: Path, published: Manifest) -> None:
    """Manifests byte by byte: a checksum of their values does not see the white space between them."""
    for file in [path / MANIFEST, *(version_file(path, number) for number in stored_versions(path))]:
        content = file.read_bytes()
        Manifest.from_bytes(content)
        if content != (json.dumps(json.loads(content), indent=1, ensure_ascii=False) + "\n").encode():
            raise IndexFolderError(f"{file}: its bytes have changed since it was written; its values have not")
    current = version_file(path, published.version)
    if not current.exists() or current.read_bytes() != (path / MANIFEST).read_bytes():
        raise IndexFolderError(f"{current}: is not the published manifest; copy {MANIFEST} there")


def restore(path: Path, number: int, *, keep: int = KEPT_VERSIONS) -> Manifest:
    """Publishes the content of an older version as the next one.

    Raises:
        IndexFolderError: The version is not kept or is damaged, or the disk refuses.
    """
    with IndexWriter.lock(path, create=False) as writer:
        published, old = read_manifest(path), read_version(path, number)
        for _ in IndexFolder(path, old).verify():
            pass
        manifest = replace(old, version=published.version + 1, created_at=this_moment())
        if manifest.fingerprint == published.fingerprint:
            return published
        writer.publish(manifest, keep)
        return manifest


def snapshot(path: Path, out: Path) -> Manifest:
    """Copies the published version into a folder of its own, by hard links where the file system has them.

    The copy is an index like any other; files are shared, which is safe because parts never change. One that was
    killed goes on when it runs again; one that is there already is left alone.

    Raises:
        IndexFolderError: There is no index, the target holds something else, or the disk refuses.
    """
    with IndexWriter.lock(path, create=False) as source:
        manifest = read_manifest(source.path)
        if _is_copied(manifest, out):
            return manifest
        with IndexWriter.lock(out) as target, writing(out):
            for part in manifest.parts:
                _link_folder(path / PARTS / part.name, out / PARTS / part.name)
            for deletion in manifest.deletions.values():
                _link(path / DELETIONS / f"{deletion.name}.npy", out / DELETIONS / f"{deletion.name}.npy")
            if manifest.structure is not None:
                (out / ANN).mkdir(exist_ok=True)
                name = f"{manifest.structure.name}.faiss"
                _link(path / ANN / name, out / ANN / name)
            for folder in (PARTS, DELETIONS):
                sync(out / folder)
            target.publish(manifest, keep=1)
    return manifest


def _is_copied(manifest: Manifest, out: Path) -> bool:
    """Whether a folder holds this version already.

    Raises:
        IndexFolderError: It holds something else than this version or the beginning of it.
    """
    refuse_foreign(out)
    if (out / MANIFEST).exists():
        if read_manifest(out).fingerprint == manifest.fingerprint:
            return True
        raise IndexFolderError(f"{out}: holds an index already; wanted a new or empty folder for the snapshot")
    begun = {folder.name for folder in (out / PARTS).glob("*")}
    if not begun <= {part.name for part in manifest.parts}:
        raise IndexFolderError(f"{out}: holds a build or a snapshot that has not finished; remove it or name another")
    return False


def difference(path: Path, old: int, new: int) -> Difference:
    """What was added, removed and changed between two kept versions; parts that both share are not read.

    Raises:
        IndexFolderError: A version is not kept or is damaged.
    """
    folders = [IndexFolder(path, read_version(path, number)) for number in (old, new)]
    shared = set.intersection(*({_part_key(f, part) for part in f.manifest.parts} for f in folders))
    before, after = (dict(_digests(folder, shared)) for folder in folders)
    return Difference(
        added=[document_id for document_id in after if document_id not in before],
        removed=[document_id for document_id in before if document_id not in after],
        changed=[i for i, digest in after.items() if i in before and before[i] != digest],
    )


def _part_key(folder: IndexFolder, part: Part) -> tuple[str, ...]:
    """Names a part and its deleted rows, with their checksums: what differs in those is not shared."""
    deletion = folder.manifest.deletions.get(part.name)
    files = (part.files[name].sha256 for name in sorted(part.files))
    return (part.name, "" if deletion is None else deletion.file.sha256, *files)


def _digests(folder: IndexFolder, shared: set[tuple[str, ...]]) -> Iterator[tuple[str, bytes]]:
    start = 0
    for part in folder.manifest.parts:
        rows = range(start, start + part.count)
        start += part.count
        if _part_key(folder, part) in shared:
            continue
        for row in rows:
            if folder.is_alive(row):
                document = folder.document(row)
                yield document.id, document_digest(document)


def _link_folder(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        _link(file, target / file.name)
    sync(target)


def _link(source: Path, target: Path) -> None:
    # A snapshot that was killed may have left the beginning of a copy.
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        sync(target)
