"""The offline index builder: a corpus becomes an index folder, streamed, resumable, published at once.

A chunk of the corpus becomes a part that is named by the hash of its documents, model and format. So a build that was
killed, or that runs again over a corpus that has grown, takes over every part that is already there and whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tart.encoder import Encoder
from tart.errors import IndexFolderError, QueryError, SourceError
from tart.readers import ReadReport
from tart_index.corpus import Corpus, content_hash
from tart_index.folder import MANIFEST, read_manifest
from tart_index.manifest import PROGRAM, Manifest, Part, kept_structure, this_moment
from tart_index.parts import (
    PART_SIZE,
    FreshPart,
    KnownVectors,
    Progress,
    Quiet,
    part_chunks,
    part_identity,
    prepare_part,
    stored_model,
    write_parts,
)
from tart_index.planning.standing import BuiltBefore
from tart_index.planning.survey import Survey, survey_documents
from tart_index.vector_type import VECTOR_TYPES, VectorType
from tart_index.writer import KEPT_VERSIONS, IndexWriter, refuse_foreign


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Settings of a build.

    Attributes:
        part_size: Documents in a part, fewer where they are very long: what a killed build loses at most.
        keep: Versions that stay, the new one among them.
        replace: Build over an index that another model or input format made, or that is damaged.
        default_instruction: Applied where a query names none.
        prompts: Named instructions.
        vector_dtype: Number type in which vectors are stored.
    """

    part_size: int = PART_SIZE
    keep: int = KEPT_VERSIONS
    replace: bool = False
    default_instruction: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    vector_dtype: VectorType = "float32"

    def __post_init__(self) -> None:
        if self.part_size < 1:
            raise SourceError(f"part size is {self.part_size}; wanted 1 or more documents")
        if self.keep < 1:
            raise SourceError(f"versions to keep is {self.keep}; wanted 1 or more")
        if self.vector_dtype not in VECTOR_TYPES:
            wanted = " or ".join(VECTOR_TYPES)
            raise SourceError(f"vectors are to be stored as {self.vector_dtype!r}; wanted {wanted}")
        if not all(name and text.strip() for name, text in self.prompts.items()):
            raise QueryError("a named instruction needs a name and a text: NAME=TEXT")


class BuildResult(NamedTuple):
    """What a build did.

    Attributes:
        manifest: The published version.
        embedded: Documents embedded in this run; the others came from parts that were already there.
        report: What was read and what was skipped.
        changed: Whether a new version was published.
    """

    manifest: Manifest
    embedded: int
    report: ReadReport
    changed: bool


def build_index(
    corpus: Corpus,
    out: Path,
    encoder: Encoder,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
    approve: Callable[[Survey], None] | None = None,
) -> BuildResult:
    """Embeds a corpus into an index folder and publishes it.

    The corpus is read twice, first only to count and to check it, so that a fault in its last line shows at once and
    not after hours; standard input is read once. Memory holds a few parts, never the corpus.

    Args:
        corpus: What to embed.
        out: The index folder.
        encoder: The model.
        options: Settings of the build.
        progress: Is told how it goes on.
        approve: Is shown what the first reading found, and may raise an error before anything is embedded.

    Raises:
        SourceError: The corpus is empty or cannot be read; nothing is published.
        IndexFolderError: The folder holds something else or another model's index, or the disk refuses.
    """
    options = options or BuildOptions()
    progress = progress or Quiet()
    with IndexWriter.lock(out) as writer:
        before = _published(out, encoder, options)
        known = KnownVectors.of(before, encoder, out, options.vector_dtype)
        standing = BuiltBefore(out, part_identity(encoder, options.vector_dtype), known)
        survey = _survey(corpus, standing, options, progress)
        if survey is not None and approve is not None:
            approve(survey)
        progress.start(None if survey is None else survey.documents)
        report = ReadReport()
        chunks = _prepare(corpus, report, encoder, writer, options, known)
        parts, embedded = write_parts(chunks, encoder, writer, progress)
        if not parts:
            raise SourceError(_empty(corpus, report))
        manifest = _manifest(corpus, encoder, options, report, parts, before)
        if before is not None and before.fingerprint == manifest.fingerprint:
            writer.prune(before, options.keep)
            return BuildResult(before, embedded, report, changed=False)
        writer.publish(manifest, options.keep)
        return BuildResult(manifest, embedded, report, changed=True)


def survey_build(
    corpus: Corpus, out: Path, encoder: Encoder, options: BuildOptions | None = None, progress: Progress | None = None
) -> Survey | None:
    """Reads a corpus as a build does first, and tells what it holds; nothing is written.

    Returns:
        What was found; None for standard input, which can be read only once.

    Raises:
        SourceError: The corpus is empty or cannot be read.
        IndexFolderError: The folder holds something else or another model's index.
    """
    options = options or BuildOptions()
    refuse_foreign(out)
    known = KnownVectors.of(_published(out, encoder, options), encoder, out, options.vector_dtype)
    standing = BuiltBefore(out, part_identity(encoder, options.vector_dtype), known)
    return _survey(corpus, standing, options, progress or Quiet())


def _published(path: Path, encoder: Encoder, options: BuildOptions) -> Manifest | None:
    """The version in the folder, where it is one that this build may follow."""
    try:
        before = read_manifest(path) if (path / MANIFEST).exists() else None
    except IndexFolderError as error:
        if options.replace:
            return None
        raise IndexFolderError(f"{error}; to build over it, say --replace") from error
    if before is None or options.replace:
        return before
    same_model = before.made_by(encoder.uncut.fingerprint)
    if not same_model or before.input_format.fingerprint != encoder.input_format.fingerprint:
        raise IndexFolderError(
            f"{path}: was built with model {before.model.name!r} and input format {before.input_format.name!r}, "
            f"now asked for {encoder.name!r} and {encoder.input_format.name!r}; "
            "say --replace to embed everything anew, or choose another folder"
        )
    _refuse_other_vectors(path, before, encoder, options.vector_dtype)
    return before


def _refuse_other_vectors(path: Path, before: Manifest, encoder: Encoder, vector_dtype: VectorType) -> None:
    """Refuses vectors of another length or number type than those that are there.

    Raises:
        IndexFolderError: They differ.
    """
    if (before.dim, before.vector_dtype) != (encoder.dim, vector_dtype):
        raise IndexFolderError(
            f"{path}: holds vectors of {before.dim} numbers as {before.vector_dtype}, now asked for {encoder.dim} as "
            f"{vector_dtype}; say --dimension {before.dim} --vector-dtype {before.vector_dtype} to go on as before, or "
            "--replace to change all"
        )


def _survey(corpus: Corpus, standing: BuiltBefore, options: BuildOptions, progress: Progress) -> Survey | None:
    if not corpus.rereadable:
        return None
    report = ReadReport()
    found = survey_documents(corpus.documents(report), options.part_size, standing, progress.checked)
    if not found.documents:
        raise SourceError(_empty(corpus, report))
    return found


def _empty(corpus: Corpus, report: ReadReport) -> str:
    skipped = sum(report.skipped.values())
    why = f"all {skipped} rows were skipped, the first because: {report.messages[0]}" if skipped else "it is empty"
    return f"no documents in {', '.join(corpus.names)}: {why}"


def _prepare(
    corpus: Corpus,
    report: ReadReport,
    encoder: Encoder,
    writer: IndexWriter,
    options: BuildOptions,
    known: KnownVectors,
) -> Iterator[Part | FreshPart]:
    """Chunks of the corpus: as stored parts where they are there already, else tokenised."""
    identity = part_identity(encoder, options.vector_dtype)
    for documents in part_chunks(corpus.documents(report), options.part_size):
        name = content_hash(identity, documents)
        stored = writer.find_part(name, len(documents))
        yield stored or prepare_part(name, documents, encoder, known, options.vector_dtype)


def _manifest(
    corpus: Corpus,
    encoder: Encoder,
    options: BuildOptions,
    report: ReadReport,
    parts: list[Part],
    before: Manifest | None,
) -> Manifest:
    return Manifest(
        version=before.version + 1 if before else 1,
        created_at=this_moment(),
        created_by=PROGRAM,
        dim=encoder.dim,
        model=stored_model(encoder),
        input_format=encoder.input_format,
        parts=tuple(parts),
        default_instruction=options.default_instruction,
        prompts=dict(options.prompts),
        sources=corpus.names,
        skipped=dict(report.skipped),
        structure=kept_structure(before, {part.name: part.count for part in parts}),
        vector_dtype=options.vector_dtype,
    )
