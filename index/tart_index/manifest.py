"""The manifest: what an index folder holds, checked once when it is read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Final

from tart import __version__
from tart.errors import IndexFolderError, ModelError
from tart.formats import InputFormat
from tart.models import cut_fingerprint
from tart_index.ann.stored import StoredStructure
from tart_index.stored_file import StoredFile, check_stored
from tart_index.vector_type import VECTOR_TYPES, VectorType

FORMAT = 1
# What format 1 cannot say: vectors in half precision, or cut. Programs that read only format 1 refuse it by its number.
FORMAT_COMPACT = 2
_FORMATS: Final = (FORMAT, FORMAT_COMPACT)
KIND = "tart-index"
METRIC = "inner_product"
PROGRAM = f"tart-retrieval {__version__}"
VECTORS = "vectors.npy"
DOCUMENTS = "documents.arrow"
IDS = "ids.npy"
CONTENTS = "contents.npy"
COLUMNS = "columns.arrow"
CARD = "part.json"
PART_FILES = frozenset({VECTORS, DOCUMENTS, IDS, CONTENTS, COLUMNS})

_PART_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Part:
    """An immutable slice of the index.

    Attributes:
        name: Names its folder; derived from its documents, model and format, so equal content has equal names.
        count: Documents.
        truncated: Documents that were longer than the model takes.
        files: Size and checksum of each file by name.
    """

    name: str
    count: int
    truncated: int
    files: Mapping[str, StoredFile]

    def __post_init__(self) -> None:
        if not _PART_NAME.fullmatch(self.name):
            raise IndexFolderError(f"part name {self.name!r} is not 32 hexadecimal digits; the index is damaged")
        if set(self.files) != PART_FILES:
            raise IndexFolderError(f"part {self.name} lists the files {sorted(self.files)}; the index is damaged")
        if self.count < 1 or not 0 <= self.truncated <= self.count:
            raise IndexFolderError(f"part {self.name} counts {self.count} documents; the index is damaged")
        for file in self.files.values():
            check_stored(file, f"part {self.name}")

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Part:
        """Reads what `dataclasses.asdict` made of a part."""
        files = {str(name): StoredFile.from_json(file) for name, file in row["files"].items()}
        return cls(str(row["name"]), int(row["count"]), int(row["truncated"]), files)


@dataclass(frozen=True, slots=True)
class Deletion:
    """Rows of a part that a version leaves out; their file is named by its content.

    Attributes:
        name: Of the file, without its suffix.
        count: Rows.
        file: Size and checksum.
    """

    name: str
    count: int
    file: StoredFile

    def __post_init__(self) -> None:
        if not _PART_NAME.fullmatch(self.name) or self.count < 1:
            raise IndexFolderError(f"deletion {self.name!r} of {self.count} rows is not valid; the index is damaged")
        check_stored(self.file, f"deletion {self.name}")

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Deletion:
        """Reads what `dataclasses.asdict` made of a deletion."""
        return cls(str(row["name"]), int(row["count"]), StoredFile.from_json(row["file"]))


@dataclass(frozen=True, slots=True)
class StoredModel:
    """The model that made the vectors.

    Attributes:
        name: As the user gave it.
        fingerprint: Of the encoder: another one where its vectors are cut.
        dtype: The number type that it computed with.
        max_length: The token limit used.
        full_dim: Length of its vectors before they were cut; None where they are not.
    """

    name: str
    fingerprint: str
    dtype: str
    max_length: int
    full_dim: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Its fields by name; `full_dim` only where there is one."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One published version of an index.

    Attributes:
        version: Counts publications into this folder, from 1.
        created_at: UTC, ISO 8601.
        created_by: Program and version.
        dim: Length of a vector.
        model: What made the vectors.
        input_format: How documents were, and queries must be, turned into model input.
        default_instruction: Applied where a query names none.
        prompts: Named instructions.
        sources: As given to the builder.
        skipped: Rows left out, by reason.
        parts: In the order of the corpus.
        deletions: By part name, the rows of a part that this version leaves out.
        structure: Approximate search over the vectors, where one was made.
        vector_dtype: Number type in which the vectors are stored.
    """

    version: int
    created_at: str
    created_by: str
    dim: int
    model: StoredModel
    input_format: InputFormat
    parts: tuple[Part, ...]
    default_instruction: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    deletions: Mapping[str, Deletion] = field(default_factory=dict)
    structure: StoredStructure | None = None
    vector_dtype: VectorType = "float32"

    def __post_init__(self) -> None:
        if self.vector_dtype not in VECTOR_TYPES:
            raise IndexFolderError(f"vectors are stored as {self.vector_dtype!r}; wanted {' or '.join(VECTOR_TYPES)}")
        if self.model.full_dim is not None and not 1 <= self.dim < self.model.full_dim:
            raise IndexFolderError(
                f"vectors of {self.dim} numbers are cut from {self.model.full_dim}; the index is damaged"
            )
        counts = {part.name: part.count for part in self.parts}
        if len(counts) != len(self.parts):
            raise IndexFolderError("a part stands twice in the manifest; the index is damaged")
        for name, deletion in self.deletions.items():
            if deletion.count > counts.get(name, 0):
                raise IndexFolderError(f"more rows of part {name} are deleted than it has; the index is damaged")

    def successor(self, **changes: Any) -> Manifest:
        """The next version, made now by this program.

        Args:
            changes: Fields that differ, by name.
        """
        return replace(self, version=self.version + 1, created_at=this_moment(), created_by=PROGRAM, **changes)

    @property
    def format(self) -> int:
        """The oldest folder format that can say all this."""
        plain = self.vector_dtype == "float32" and self.model.full_dim is None
        return FORMAT if plain else FORMAT_COMPACT

    @property
    def cut_dim(self) -> int | None:
        """The length to which the model's vectors are cut, of documents and of queries; None where they are not."""
        return None if self.model.full_dim is None else self.dim

    def made_by(self, fingerprint: str) -> bool:
        """Whether the vectors are those of a model, be they cut or not.

        Args:
            fingerprint: Of the model with vectors that are not cut.
        """
        wanted = fingerprint if self.cut_dim is None else cut_fingerprint(fingerprint, self.cut_dim)
        return self.model.fingerprint == wanted

    @property
    def rows(self) -> int:
        """Rows that are stored, deleted ones counted."""
        return sum(part.count for part in self.parts)

    @property
    def count(self) -> int:
        """Documents in the index."""
        return self.rows - sum(deletion.count for deletion in self.deletions.values())

    @property
    def truncated(self) -> int:
        """Documents that were longer than the model takes."""
        return sum(part.truncated for part in self.parts)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides an answer: equal for equal content, whenever and wherever built."""
        content = {
            "dim": self.dim,
            "model": self.model.fingerprint,
            "input_format": self.input_format.fingerprint,
            "default_instruction": self.default_instruction,
            "prompts": dict(self.prompts),
            "parts": [asdict(part) for part in self.parts],
            "deletions": {name: asdict(deletion) for name, deletion in self.deletions.items()},
        }
        if self.vector_dtype != "float32":
            content["vector_dtype"] = self.vector_dtype
        if self.structure is not None:
            content["structure"] = self.structure.deciding
        return _sha256(content)

    def to_bytes(self) -> bytes:
        """JSON with a checksum of itself."""
        body = {
            "kind": KIND,
            "format": self.format,
            "version": self.version,
            "created_at": self.created_at,
            "created_by": self.created_by,
            "fingerprint": self.fingerprint,
            "count": self.count,
            "truncated": self.truncated,
            "dim": self.dim,
            "metric": METRIC,
            "vector_dtype": self.vector_dtype,
            "model": self.model.to_json(),
            "input_format": self.input_format.to_json(),
            "default_instruction": self.default_instruction,
            "prompts": dict(self.prompts),
            "sources": list(self.sources),
            "skipped": dict(self.skipped),
            "parts": [asdict(part) for part in self.parts],
            "deletions": {name: asdict(deletion) for name, deletion in self.deletions.items()},
        }
        if self.structure is not None:
            body["structure"] = asdict(self.structure)
        body["checksum"] = _sha256(body)
        return (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Manifest:
        """Reads what `to_bytes` wrote.

        Raises:
            IndexFolderError: Not a manifest, of another format, or changed since it was written.
        """
        body = _checked_body(content)
        try:
            manifest = cls(
                version=int(body["version"]),
                created_at=str(body["created_at"]),
                created_by=str(body["created_by"]),
                dim=int(body["dim"]),
                model=StoredModel(**body["model"]),
                input_format=InputFormat.from_json(body["input_format"]),
                parts=tuple(Part.from_json(row) for row in body["parts"]),
                default_instruction=str(body["default_instruction"]),
                prompts=dict(body["prompts"]),
                sources=tuple(body["sources"]),
                skipped=dict(body["skipped"]),
                deletions={name: Deletion.from_json(row) for name, row in body["deletions"].items()},
                structure=StoredStructure.from_json(body["structure"]) if "structure" in body else None,
                vector_dtype=body["vector_dtype"],
            )
        except (KeyError, TypeError, ValueError, AttributeError, ModelError) as error:
            raise IndexFolderError(f"manifest.json is damaged ({error}); build the index anew") from error
        said = tuple(body.get(name) for name in ("fingerprint", "count", "format"))
        if said != (manifest.fingerprint, manifest.count, manifest.format):
            raise IndexFolderError("manifest.json contradicts itself; build the index anew")
        return manifest


def kept_structure(before: Manifest | None, counts: Mapping[str, int]) -> StoredStructure | None:
    """The structure that a new version takes over from the one before: none that has lost most of its rows.

    Args:
        before: The version before.
        counts: Rows by the names of the new version's parts.
    """
    structure = before.structure if before is not None else None
    return structure if structure is not None and structure.worth_keeping(counts) else None


def this_moment() -> str:
    """When a manifest is made: UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _checked_body(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError as error:
        raise IndexFolderError(f"manifest.json is not JSON ({error}); build the index anew") from error
    if not isinstance(body, dict) or body.get("kind") != KIND:
        raise IndexFolderError("manifest.json is not the manifest of a tart index; give a folder that tart built")
    if body.get("format") not in _FORMATS:
        raise IndexFolderError(
            f"the index has folder format {body.get('format')!r}, this program reads {FORMAT} and {FORMAT_COMPACT}; "
            "build it anew, or use the program version that wrote it"
        )
    written = body.pop("checksum", None)
    if written != _sha256(body):
        raise IndexFolderError("manifest.json was changed since it was written (its checksum differs); build it anew")
    return body


def _sha256(value: object) -> str:
    encoded = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    return "sha256:" + hashlib.sha256(encoded).hexdigest()
