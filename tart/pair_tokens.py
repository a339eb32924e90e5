"""Pairs of a query's side and a document to token ids, where only the document is ever cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import ModelError, QueryError
from tart.instructions import NO_INSTRUCTION, Instruction
from tart.pair_format import PairFormat
from tart.tokens import Tokens, first_tokens, text_start

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer


@dataclass(frozen=True, slots=True)
class Pair:
    """What is scored: a document for a query under an instruction."""

    query: str
    instruction: Instruction
    document: Document


@dataclass(frozen=True, slots=True)
class PairTokens:
    """Token ids of several pairs.

    Attributes:
        tokens: The ids, special tokens included.
        types: Shape: (n_tokens,), int32: 0 on the query's side, 1 on the document's, as the model's tokenizer says.
    """

    tokens: Tokens
    types: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.tokens)

    def types_of(self, row: int) -> NDArray[np.int32]:
        """Shape: (tokens of the pair,), int32."""
        return self.types[self.tokens.offsets[row] : self.tokens.offsets[row + 1]]


class PairTokenizer:
    """A model's tokenizer in a pair format. Training and `tart.reranker.Reranker` both read through this one.

    Args:
        fast: The tokenizer that the model ships; its padding and truncation settings are replaced.
        pair_format: Templates and limits.

    Raises:
        ModelError: The tokenizer has no frame for pairs.
    """

    def __init__(self, fast: FastTokenizer, pair_format: PairFormat) -> None:
        fast.no_padding()
        fast.no_truncation()
        self.pair_format = pair_format
        self._fast = fast
        self._frame = _Frame.of(fast)
        self._query_ids = lru_cache(maxsize=1024)(self._encode_query)

    def __call__(self, pairs: Sequence[Pair]) -> PairTokens:
        """Tokenises pairs and cuts the end of each document that is too long.

        Raises:
            QueryError: A query is blank, or with its instruction leaves too little room for a document.
        """
        rooms = [self.room(pair.query, pair.instruction) for pair in pairs]
        documents = self._documents([self.pair_format.render_document(pair.document) for pair in pairs])
        ids: list[list[int]] = []
        types: list[list[int]] = []
        for pair, room, document in zip(pairs, rooms, documents, strict=True):
            query = self._query_ids(self.pair_format.render_query(pair.query, pair.instruction))
            ids.append(self._frame.ids(query, document[:room]))
            types.append(self._frame.types(len(query), min(len(document), room)))
        tokens = Tokens(
            ids=_flat(ids),
            offsets=np.cumsum([0, *map(len, ids)]).astype(np.int64),
            truncated=np.array([len(d) > room for d, room in zip(documents, rooms, strict=True)], dtype=np.bool_),
            skip=np.zeros(len(ids), dtype=np.int32),
        )
        return PairTokens(tokens, _flat(types))

    def room(self, query: str, instruction: Instruction = NO_INSTRUCTION) -> int:
        """Tokens that a document may take beside a query under an instruction.

        Raises:
            QueryError: The query is blank, or the room is less than the format's `min_document_tokens`.
        """
        if not query.strip():
            raise QueryError("the query is empty; say what to look for")
        taken = len(self._query_ids(self.pair_format.render_query(query, instruction)))
        room = self.pair_format.max_length - self._frame.special - taken
        wanted = self.pair_format.min_document_tokens
        if room < wanted:
            what = "the query and its instruction take" if instruction else "the query takes"
            raise QueryError(
                f"{what} {taken} of the reranker's {self.pair_format.max_length} tokens, which leaves "
                f"{max(room, 0)} for a document; wanted {wanted} or more: shorten the query or its instruction"
            )
        return room

    def first_tokens(self, text: str, count: int) -> str:
        """The start of a text that holds so many tokens; a shorter text whole."""
        return text if count >= self.pair_format.max_length else first_tokens(self._fast, text, count)

    def _encode_query(self, text: str) -> tuple[int, ...]:
        return tuple(self._fast.encode(text, add_special_tokens=False).ids)

    def _documents(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of documents, at least as many as a pair can hold; one that stands in several pairs is read once."""
        distinct = list(dict.fromkeys(texts))
        limit = self.pair_format.max_length
        starts = [text_start(text, limit) for text in distinct]
        found = [one.ids for one in self._fast.encode_batch_fast(starts, add_special_tokens=False)]
        for row, (start, text) in enumerate(zip(starts, distinct, strict=True)):
            if len(start) < len(text) and len(found[row]) < 2 * limit:
                found[row] = self._fast.encode(text, add_special_tokens=False).ids
        by_text = dict(zip(distinct, found, strict=True))
        return [by_text[text] for text in texts]


class _Frame(NamedTuple):
    """The special tokens around the two sides of a pair, and the token types of all."""

    before: list[int]
    between: list[int]
    after: list[int]
    before_types: list[int]
    between_types: list[int]
    after_types: list[int]
    query_type: int
    document_type: int

    @classmethod
    def of(cls, fast: FastTokenizer) -> _Frame:
        """Read off a pair of two short texts."""
        pair = fast.encode("a", "a")
        first, second = (pair.sequence_ids.index(side) for side in (0, 1))
        width = pair.sequence_ids.count(0)
        if len(pair.ids) != width * 2 + int(fast.num_special_tokens_to_add(is_pair=True)):
            raise ModelError("the tokenizer puts pairs together in an unknown way; wanted query, then document")
        ids, types = pair.ids, pair.type_ids
        return cls(
            before=ids[:first],
            between=ids[first + width : second],
            after=ids[second + width :],
            before_types=types[:first],
            between_types=types[first + width : second],
            after_types=types[second + width :],
            query_type=types[first],
            document_type=types[second],
        )

    @property
    def special(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)

    def ids(self, query: Sequence[int], document: Sequence[int]) -> list[int]:
        return [*self.before, *query, *self.between, *document, *self.after]

    def types(self, query: int, document: int) -> list[int]:
        """For so many tokens on each side."""
        sides = ([self.query_type] * query, [self.document_type] * document)
        return [*self.before_types, *sides[0], *self.between_types, *sides[1], *self.after_types]


def _flat(rows: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    return np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=sum(map(len, rows)))
