"""A corpus is read once before the work: counted, checked, and a sample kept to estimate from."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, TypeAlias

from tart.documents import Document
from tart.tokens import text_start
from tart_index.parts import part_chunks

SAMPLE = 1_024
# Of a long text the start is kept, more than any model reads: the sample must not fill the memory.
_KEPT_TOKENS = 8_192

Fate: TypeAlias = Literal["embed", "copy", "leave"]


class Standing(Protocol):
    """What is there already, so that it is neither embedded nor written again."""

    def holds_part(self, documents: Sequence[Document]) -> bool:
        """Whether these documents are a stored part."""

    def fate(self, document: Document) -> Fate:
        """Whether the model embeds a document, its vector is taken over, or it is left out."""


class Nothing:
    """Nothing is there."""

    def holds_part(self, documents: Sequence[Document]) -> bool:
        """No part is."""
        return False

    def fate(self, document: Document) -> Fate:
        """Every document is embedded."""
        return "embed"


class Sampled(NamedTuple):
    """A document of the sample.

    Attributes:
        document: Its text cut where it is very long.
        fate: What becomes of it.
    """

    document: Document
    fate: Fate


@dataclass(frozen=True, slots=True)
class Survey:
    """What a corpus holds.

    Attributes:
        documents: That were read and are good.
        stored: Those of them that are in stored parts; the figures below leave them out.
        text_bytes: Of ids, titles and texts of all others, in UTF-8.
        largest_part: The same of the largest part.
        sample: Others, drawn at random.
        seconds: That reading and checking took.
    """

    documents: int = 0
    stored: int = 0
    text_bytes: int = 0
    largest_part: int = 0
    sample: tuple[Sampled, ...] = ()
    seconds: float = 0.0

    @property
    def fresh(self) -> int:
        """Documents that are in no stored part."""
        return self.documents - self.stored

    def count_of(self, *fates: Fate) -> int:
        """About how many documents outside stored parts meet one of these fates."""
        if not self.sample:
            return 0
        return round(self.fresh * sum(one.fate in fates for one in self.sample) / len(self.sample))

    def documents_of(self, *fates: Fate) -> list[Document]:
        """Those of the sample that meet one of these fates."""
        return [one.document for one in self.sample if one.fate in fates]


def survey_documents(
    documents: Iterable[Document],
    part_size: int,
    standing: Standing | None = None,
    checked: Callable[[int], None] | None = None,
) -> Survey:
    """Reads documents to their end.

    Args:
        documents: The corpus, with its checks.
        part_size: Documents in a part.
        standing: What is there already.
        checked: Is told how many documents more were read.
    """
    started = time.perf_counter()
    standing = standing or Nothing()
    sample = _Sample(standing)
    survey = Survey()
    for chunk in part_chunks(documents, part_size):
        survey = _with(survey, chunk, stored=standing.holds_part(chunk), sample=sample)
        if checked is not None:
            checked(len(chunk))
    return replace(survey, sample=tuple(sample.drawn), seconds=time.perf_counter() - started)


def _with(survey: Survey, chunk: Sequence[Document], *, stored: bool, sample: _Sample) -> Survey:
    if stored:
        return replace(survey, documents=survey.documents + len(chunk), stored=survey.stored + len(chunk))
    size = sum(_bytes(document.id) + _bytes(document.title) + _bytes(document.text) for document in chunk)
    sample.offer(chunk)
    return replace(
        survey,
        documents=survey.documents + len(chunk),
        text_bytes=survey.text_bytes + size,
        largest_part=max(survey.largest_part, size),
    )


class _Sample:
    """Documents of a stream, each as likely as any other (reservoir sampling)."""

    def __init__(self, standing: Standing) -> None:
        self.drawn: list[Sampled] = []
        self._standing = standing
        self._offered = 0
        self._random = random.Random(0)  # noqa: S311 (draws a sample, guards nothing)

    def offer(self, chunk: Sequence[Document]) -> None:
        for document in chunk:
            self._offered += 1
            if len(self.drawn) < SAMPLE:
                self.drawn.append(self._sampled(document))
                continue
            place = int(self._random.random() * self._offered)
            if place < SAMPLE:
                self.drawn[place] = self._sampled(document)

    def _sampled(self, document: Document) -> Sampled:
        fate = self._standing.fate(document)
        return Sampled(replace(document, text=text_start(document.text, _KEPT_TOKENS)), fate)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
