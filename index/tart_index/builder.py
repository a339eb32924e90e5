"""The offline index builder: a corpus becomes an index folder, streamed, resumable, published at once.

A chunk of the corpus becomes a part that is named by the hash of its documents, model and format. So a build that was
killed, or that runs again over a corpus that has grown, takes over every part that is already there and whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, Protocol

from tart import __version__
from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import IndexFolderError, QueryError, SourceError
from tart.prefetch import Prefetch
from tart.readers import ReadReport
from tart.tokens import Tokens
from tart_index.corpus import Corpus, content_hash
from tart_index.manifest import Manifest, Part, StoredModel
from tart_index.writer import IndexWriter

PART_SIZE = 4_096
PART_CHARACTERS = 1 << 26
_CHECKED_STEP = 1_000


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Settings of a build.

    Attributes:
        part_size: Documents in a part, fewer where they are very long: what a killed build loses at most.
        replace: Build over an index that another model or input format made, or that is damaged.
        default_instruction: Applied where a query names none.
        prompts: Named instructions.
    """

    part_size: int = PART_SIZE
    replace: bool = False
    default_instruction: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.part_size < 1:
            raise SourceError(f"part size is {self.part_size}; wanted 1 or more documents")
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


class Progress(Protocol):
    """Is told how a build goes on."""

    def checked(self, documents: int) -> None:
        """So many documents more have been read and found good, before any is embedded."""

    def start(self, total: int | None) -> None:
        """Embedding starts, over so many documents, where that is known."""

    def done(self, documents: int) -> None:
        """So many documents more are embedded, or were found embedded."""


class Quiet:
    """Shows nothing."""

    def checked(self, documents: int) -> None:
        """Shows nothing."""

    def start(self, total: int | None) -> None:
        """Shows nothing."""

    def done(self, documents: int) -> None:
        """Shows nothing."""


class _Fresh(NamedTuple):
    """A chunk that the model has yet to see."""

    name: str
    documents: list[Document]
    tokens: Tokens


def build_index(
    corpus: Corpus, out: Path, encoder: Encoder, options: BuildOptions | None = None, progress: Progress | None = None
) -> BuildResult:
    """Embeds a corpus into an index folder and publishes it.

    The corpus is read twice, first only to count and to check it, so that a fault in its last line shows at once and
    not after hours; standard input is read once. Memory holds a few parts, never the corpus.

    Raises:
        SourceError: The corpus is empty or cannot be read; nothing is published.
        IndexFolderError: The folder holds something else or another model's index, or the disk refuses.
    """
    options = options or BuildOptions()
    progress = progress or Quiet()
    with IndexWriter.lock(out) as writer:
        before = _published(writer, encoder, options)
        progress.start(_count(corpus, progress))
        report = ReadReport()
        parts, embedded = _write_parts(_prepare(corpus, report, encoder, writer, options), encoder, writer, progress)
        if not parts:
            raise SourceError(_empty(corpus, report))
        manifest = _manifest(corpus, encoder, options, report, parts, version=before.version + 1 if before else 1)
        if before is not None and before.fingerprint == manifest.fingerprint:
            writer.remove_unlisted(before)
            return BuildResult(before, embedded, report, changed=False)
        writer.publish(manifest)
        return BuildResult(manifest, embedded, report, changed=True)


def _published(writer: IndexWriter, encoder: Encoder, options: BuildOptions) -> Manifest | None:
    """The version in the folder, where it is one that this build may follow."""
    try:
        before = writer.published()
    except IndexFolderError as error:
        if options.replace:
            return None
        raise IndexFolderError(f"{error}; to build over it, say --replace") from error
    if before is None or options.replace:
        return before
    same_model = before.model.fingerprint == encoder.fingerprint
    if not same_model or before.input_format.fingerprint != encoder.input_format.fingerprint:
        raise IndexFolderError(
            f"{writer.path}: was built with model {before.model.name!r} and input format {before.input_format.name!r}, "
            f"now asked for {encoder.name!r} and {encoder.input_format.name!r}; "
            "say --replace to embed everything anew, or choose another folder"
        )
    return before


def _count(corpus: Corpus, progress: Progress) -> int | None:
    if not corpus.rereadable:
        return None
    report = ReadReport()
    total = 0
    for _ in corpus.documents(report):
        total += 1
        if total % _CHECKED_STEP == 0:
            progress.checked(_CHECKED_STEP)
    if not total:
        raise SourceError(_empty(corpus, report))
    return total


def _empty(corpus: Corpus, report: ReadReport) -> str:
    skipped = sum(report.skipped.values())
    why = f"all {skipped} rows were skipped, the first because: {report.messages[0]}" if skipped else "it is empty"
    return f"no documents in {', '.join(corpus.names)}: {why}"


def _prepare(
    corpus: Corpus, report: ReadReport, encoder: Encoder, writer: IndexWriter, options: BuildOptions
) -> Iterator[Part | _Fresh]:
    """Chunks of the corpus: as stored parts where they are there already, else tokenised."""
    identity = (encoder.fingerprint, encoder.input_format.fingerprint, encoder.hardware.dtype, str(encoder.max_length))
    for documents in part_chunks(corpus.documents(report), options.part_size):
        name = content_hash(identity, documents)
        stored = writer.find_part(name, len(documents))
        yield stored or _Fresh(name, documents, encoder.tokenize_documents(documents))


def part_chunks(
    documents: Iterable[Document], size: int, characters: int = PART_CHARACTERS
) -> Iterator[list[Document]]:
    """Lists of `size` documents, shorter where long texts add up to so many characters: memory stays bounded."""
    chunk: list[Document] = []
    held = 0
    for document in documents:
        chunk.append(document)
        held += len(document.text)
        if len(chunk) == size or held >= characters:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _write_parts(
    chunks: Iterator[Part | _Fresh], encoder: Encoder, writer: IndexWriter, progress: Progress
) -> tuple[list[Part], int]:
    """Embeds one chunk while the next is read and tokenised and the one before is written."""
    parts: list[Part] = []
    embedded = 0
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tart-write") as disk, Prefetch(chunks) as ahead:
        writing: Future[Part] | None = None
        for chunk in ahead:
            vectors = encoder.embed(chunk.tokens, progress.done) if isinstance(chunk, _Fresh) else None
            if writing is not None:
                parts.append(writing.result())
                writing = None
            if isinstance(chunk, Part):
                parts.append(chunk)
                progress.done(chunk.count)
            elif vectors is not None:
                embedded += len(chunk.documents)
                truncated = int(chunk.tokens.truncated.sum())
                writing = disk.submit(writer.write_part, chunk.name, chunk.documents, vectors, truncated)
        if writing is not None:
            parts.append(writing.result())
    return parts, embedded


def _manifest(
    corpus: Corpus, encoder: Encoder, options: BuildOptions, report: ReadReport, parts: list[Part], version: int
) -> Manifest:
    return Manifest(
        version=version,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        created_by=f"tart-retrieval {__version__}",
        dim=encoder.dim,
        model=StoredModel(encoder.name, encoder.fingerprint, encoder.hardware.dtype, encoder.max_length),
        input_format=encoder.input_format,
        parts=tuple(parts),
        default_instruction=options.default_instruction,
        prompts=dict(options.prompts),
        sources=corpus.names,
        skipped=dict(report.skipped),
    )
