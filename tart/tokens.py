"""Texts to token ids: the model's own tokenizer, its length limit, and what the limit cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tart.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Encoding
    from tokenizers import Tokenizer as FastTokenizer

# A long text's start is tokenised first; where that already fills the model's input twice over, its end is never read.
CHARACTERS_PER_TOKEN = 16
# Instructions are counted again and again; long texts would fill the memory.
_REMEMBERED_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of several texts, special tokens included.

    Attributes:
        ids: Shape: (n_tokens,), int32, all texts in a row.
        offsets: Shape: (n_texts + 1,), int64; text i is ``ids[offsets[i]:offsets[i + 1]]``.
        truncated: Shape: (n_texts,), bool: the model's limit cut this text.
        skip: Shape: (n_texts,), int32: leading tokens that pooling leaves out.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    skip: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.truncated)

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    @classmethod
    def concatenate(cls, several: Sequence[Tokens]) -> Tokens:
        """The texts of several one after the other; at least one."""
        lengths = np.concatenate([tokens.lengths for tokens in several])
        return cls(
            ids=np.concatenate([tokens.ids for tokens in several]),
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            truncated=np.concatenate([tokens.truncated for tokens in several]),
            skip=np.concatenate([tokens.skip for tokens in several]),
        )

    def select(self, rows: Sequence[int]) -> Tokens:
        """Some of the texts, in the order of `rows`."""
        lengths = self.lengths[list(rows)]
        return Tokens(
            ids=np.concatenate([np.empty(0, np.int32), *(self[row] for row in rows)]),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            truncated=self.truncated[list(rows)],
            skip=self.skip[list(rows)],
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Shape: (n_texts,), tokens."""
        return np.diff(self.offsets)

    def batches(self, token_budget: int) -> Iterator[NDArray[np.int64]]:
        """Rows in batches of about `token_budget` tokens, shortest texts first, so that equal lengths are adjacent."""
        order = np.argsort(self.lengths, kind="stable")
        ends = np.cumsum(self.lengths[order])
        start = 0
        while start < len(order):
            before = ends[start - 1] if start else 0
            stop = max(int(np.searchsorted(ends, before + token_budget, side="right")), start + 1)
            yield order[start:stop]
            start = stop


class Tokenizer:
    """A model's tokenizer at the model's length limit.

    Args:
        fast: The tokenizer that the model ships; its padding and truncation settings are replaced.
        max_length: Tokens that the model takes, special tokens counted.
    """

    def __init__(self, fast: FastTokenizer, max_length: int) -> None:
        fast.no_padding()
        fast.enable_truncation(max_length)
        self._fast = fast
        self.max_length = max_length
        self._special = fast.num_special_tokens_to_add(is_pair=False)
        self._remembered: Callable[[str], int] = lru_cache(maxsize=1024)(self._count)

    def __call__(self, texts: Sequence[str], skip: Sequence[int] | None = None) -> Tokens:
        """Tokenises texts and cuts each to the limit.

        Args:
            texts: What the model is to read.
            skip: For each text, leading tokens that pooling leaves out; none by default.
        """
        starts = [text_start(text, self.max_length) for text in texts]
        encodings = self._fast.encode_batch_fast(starts)
        for row, (start, text) in enumerate(zip(starts, texts, strict=True)):
            if len(start) < len(text) and _tokens(encodings[row]) < 2 * self.max_length:
                encodings[row] = self._fast.encode_batch_fast([text])[0]
        ids = [encoding.ids for encoding in encodings]
        offsets = np.zeros(len(ids) + 1, dtype=np.int64)
        np.cumsum([len(text_ids) for text_ids in ids], out=offsets[1:])
        return Tokens(
            ids=np.fromiter(chain.from_iterable(ids), dtype=np.int32, count=int(offsets[-1])),
            offsets=offsets,
            truncated=np.array([bool(encoding.overflowing) for encoding in encodings], dtype=np.bool_),
            skip=np.zeros(len(ids), dtype=np.int32) if skip is None else np.asarray(skip, dtype=np.int32),
        )

    def count(self, text: str) -> int:
        """Tokens of a text beyond any limit, special tokens included; remembered for short texts."""
        return self._remembered(text) if len(text) <= _REMEMBERED_CHARACTERS else self._count(text)

    def prefix_length(self, prefix: str) -> int:
        """Leading tokens of an input that starts with `prefix`: its special tokens and the prefix's own."""
        return self.count(prefix) - 1 if prefix and self._special else self.count(prefix) if prefix else 0

    def _count(self, text: str) -> int:
        return _tokens(self._fast.encode(text), self._special)


def text_start(text: str, max_length: int) -> str:
    """The part of a long text that surely fills so many tokens, cut at white space; a short text whole."""
    limit = CHARACTERS_PER_TOKEN * max_length
    if len(text) <= limit:
        return text
    cut = max(text.rfind(" ", 0, limit), text.rfind("\n", 0, limit))
    return text[:cut] if cut > 0 else text


def first_tokens(fast: FastTokenizer, text: str, count: int) -> str:
    """The start of a text that holds so many tokens, as the tokenizer cuts words; a shorter text whole.

    Args:
        fast: A model's tokenizer, whose own truncation, if any, is at `count` tokens or more.
        text: Any.
        count: From 1; special tokens not counted.
    """
    start = text_start(text, count)
    found = fast.encode(start, add_special_tokens=False)
    if len(start) < len(text) and _tokens(found) <= count:
        found = fast.encode(text, add_special_tokens=False)
    return text if _tokens(found) <= count else text[: found.offsets[count - 1][1]]


def read_tokenizer(file: Path) -> FastTokenizer:
    """Reads a model's ``tokenizer.json``.

    Raises:
        ModelError: The file is no tokenizer.
    """
    from tokenizers import Tokenizer as FastTokenizer

    try:
        return FastTokenizer.from_file(str(file))
    except Exception as error:
        raise ModelError(f"{file}: not a tokenizer ({error}); the model folder is damaged") from error


def _tokens(encoding: Encoding, special: int = 0) -> int:
    """Tokens of a text before truncation; `special` ones stand again in every overflowing piece."""
    return len(encoding.ids) + sum(len(piece.ids) - special for piece in encoding.overflowing)
