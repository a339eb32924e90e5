"""The target: unlabelled examples of the task that the chosen rows are for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import QueryError, SourceError
from tart_index.files import sync, writing
from tart_index.selection.examples import Example
from tart_index.selection.sources import ReadAccount, Reading, Source

MAX_TARGETS = 100_000


@dataclass(frozen=True, slots=True)
class Targets:
    """Examples of the target, in the order of their ids.

    Attributes:
        name: As shown and stored.
        sha256: Of the source.
        examples: With their inputs; nothing else of them is looked at, but for the task in turns over tasks.
        notes: What the user should know.
        vectors: Shape: (n_targets, dim), float32, unit rows; None where none are needed.
    """

    name: str
    sha256: str
    examples: tuple[Example, ...]
    notes: tuple[str, ...] = ()
    vectors: NDArray[np.float32] | None = None

    @property
    def texts(self) -> list[str]:
        """The inputs."""
        return [example.input for example in self.examples]

    def __len__(self) -> int:
        return len(self.examples)


def read_targets(source: Source, reading: Reading) -> Targets:
    """Reads the examples of a target.

    Raises:
        SourceError: There are none or too many, or a row is bad.
    """
    account = ReadAccount()
    examples: list[Example] = []
    for example in source.examples(reading, account):
        if len(examples) == MAX_TARGETS:
            raise SourceError(f"the target {source.name} has more than {MAX_TARGETS:,} examples; give a sample of them")
        examples.append(example)
    if account.layout is None or not examples:
        skipped = (
            f"; {account.skipped:,} rows were skipped, the first: {account.messages[0]}" if account.skipped else ""
        )
        raise SourceError(f"the target {source.name} has no examples; wanted 1 to {MAX_TARGETS:,}{skipped}")
    notes = [f"target {source.name}: {len(examples):,} examples; {account.layout.sentence()}"]
    if account.skipped:
        notes.append(f"target {source.name}: {account.skipped:,} rows skipped, the first: {account.messages[0]}")
    # Of equal scores the first target counts, so ids settle that whatever the order of the file.
    return Targets(source.name, source.sha256(), tuple(sorted(examples, key=lambda one: one.id)), tuple(notes))


def target_vectors(
    texts: Sequence[str], instruction: str, encoder: Encoder, cache: Path | None = None
) -> NDArray[np.float32]:
    """Vectors of targets: as queries under the instruction, or as the pool's rows are where there is none.

    Args:
        texts: Of the targets.
        instruction: "" for none.
        encoder: Makes the vectors.
        cache: A folder where they are found again.

    Returns:
        Shape: (len(texts), dim), float32, unit rows.

    Raises:
        QueryError: The model takes no instruction, or the instruction is too long for it.
    """
    if instruction and not encoder.input_format.takes_instruction:
        raise QueryError(
            f"the input format {encoder.input_format.name!r} of {encoder.name!r} takes no instruction; leave it out, "
            "or choose another model with --model"
        )
    file = None if cache is None else cache / f"targets-{_key(texts, instruction, encoder)}.npy"
    if file is not None and file.exists():
        found: NDArray[np.float32] = np.load(file, allow_pickle=False)
        return found
    if instruction:
        vectors = encoder.encode_queries(texts, [instruction] * len(texts), truncate=True)
    else:
        vectors = encoder.encode_documents(Document(str(number), text) for number, text in enumerate(texts))
    if file is not None:
        _save(file, vectors)
    return vectors


def _key(texts: Sequence[str], instruction: str, encoder: Encoder) -> str:
    digest = hashlib.sha256()
    made_by = (encoder.fingerprint, encoder.input_format.fingerprint, encoder.hardware.dtype, str(encoder.max_length))
    for text in (*made_by, instruction, *texts):
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()[:32]


def _save(file: Path, vectors: NDArray[np.float32]) -> None:
    new = file.with_name(f"{file.name}.new.npy")
    with writing(file.parent):
        np.save(new, vectors, allow_pickle=False)
        sync(new)
        new.replace(file)
