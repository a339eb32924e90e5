"""Decontamination: rows that hold what an evaluation set holds are not chosen.

A row is contaminated where it shares n words in a row with an evaluation text (n-grams as in Brown et al. 2020,
appendix C, who take 13), equals one that is shorter than that, or is very near to one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tart.normal import normalised, words
from tart_index.selection.examples import Example


@dataclass(frozen=True, slots=True)
class EvaluationTexts:
    """Texts that must not be trained on. Make one with `of`.

    Attributes:
        ngram: Words that a row may not share.
        grams: Digests of the texts' n-grams.
        short: Digests of texts with fewer words than that.
        vectors: Shape: (n_texts, dim), float32, unit rows; None where likeness does not count.
        similarity: From which on it counts.
    """

    ngram: int
    grams: frozenset[bytes]
    short: frozenset[bytes]
    vectors: NDArray[np.float32] | None = None
    similarity: float = 1.0

    @classmethod
    def of(
        cls,
        examples: Iterable[Example],
        ngram: int,
        vectors: NDArray[np.float32] | None = None,
        similarity: float | None = None,
    ) -> EvaluationTexts:
        """The inputs, and inputs with targets, of evaluation examples."""
        grams: set[bytes] = set()
        short: set[bytes] = set()
        for example in examples:
            grams.update(_grams(words(example.whole), ngram))
            short.update(_digest(text) for text in (example.input, example.whole) if len(words(text)) < ngram)
        return cls(ngram, frozenset(grams), frozenset(short), vectors, 1.0 if similarity is None else similarity)

    def shares_words(self, example: Example) -> bool:
        """Whether a row has n words in a row, or all its words, with an evaluation text in common."""
        if any(gram in self.grams for gram in _grams(words(example.whole), self.ngram)):
            return True
        return any(_digest(text) in self.short for text in (example.input, example.whole))

    def is_near(self, vector: NDArray[np.float32]) -> bool:
        """Whether a row is as similar to an evaluation text as is not allowed."""
        return self.vectors is not None and bool((self.vectors @ vector).max(initial=-1.0) >= self.similarity)


def _grams(tokens: list[str], n: int) -> Iterable[bytes]:
    joined = [" ".join(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]
    return (_hashed(gram) for gram in joined)


def _digest(text: str) -> bytes:
    return _hashed(normalised(text))


def _hashed(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
