"""From examples to the pairs that a step of TART-full reads: one positive and a few negatives a row."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import QueryError
from tart.instructions import Instruction
from tart.pair_tokens import Pair, PairTokenizer, PairTokens
from tart_train.examples import DataError, Negative
from tart_train.full_recipe import PairInputSettings
from tart_train.inputs import Drawing, Row, document_key, normalised
from tart_train.mixture import Mixture
from tart_train.recipe import InputSettings
from tart_train.sampling import Draw

# Those that teach the instruction come first; within a round each kind gives one.
_KINDS = ("polarity", "unfollowing", "judged", "hard", "random")
_LEAST_QUERY_TOKENS = 8


@dataclass(frozen=True, slots=True)
class PairBatch:
    """What one step reads.

    Attributes:
        pairs: Token ids of all rows' pairs; of each row the positive first.
        ends: Shape: (rows,), int64: where each row's pairs end.
        bare: Shape: (rows,), bool: read without an instruction.
        seed: Of the step's dropout.
    """

    pairs: PairTokens
    ends: NDArray[np.int64]
    bare: NDArray[np.bool_]
    seed: int

    def rows(self) -> Iterator[range]:
        """The pairs of each row."""
        for start, end in zip([0, *self.ends[:-1].tolist()], self.ends.tolist(), strict=True):
            yield range(start, end)


class Fitting(NamedTuple):
    """Which examples can be trained on.

    Attributes:
        numbers: In the mixture.
        left_out: How many leave a document too little room.
    """

    numbers: list[int]
    left_out: int


class PairCollator:
    """Builds the batches of a mixture; a function of the draws and the seed alone.

    Args:
        mixture: Examples and documents.
        numbers: Of the examples that a draw's row counts through.
        tokenizer: The one that `tart.Reranker` reads with.
        settings: The recipe's part.
        seed: The recipe's.
    """

    def __init__(
        self,
        mixture: Mixture,
        numbers: Sequence[int],
        tokenizer: PairTokenizer,
        settings: PairInputSettings,
        seed: int,
    ) -> None:
        self._mixture = mixture
        self._numbers = numbers
        self._tokenizer = tokenizer
        self._settings = settings
        self._seed = seed
        most = max(2**31, settings.negatives_per_query)
        shares = InputSettings(
            no_instruction=settings.no_instruction,
            no_instruction_contrast=settings.no_instruction_contrast,
            negatives_per_query=most,
        )
        self._drawing = Drawing(mixture.instructions, shares, seed)

    def __call__(self, draws: Sequence[Draw]) -> PairBatch:
        """One batch."""
        examples = self._mixture.examples([self._numbers[draw.row] for draw in draws])
        drawn = [self._drawing(example, draw.epoch) for example, draw in zip(examples, draws, strict=True)]
        rows = [self._mixed(row, draw.epoch) for row, draw in zip(drawn, draws, strict=True)]
        return self.batch(self._filled(rows))

    def batch(self, rows: Sequence[Row]) -> PairBatch:
        """The batch of rows that are drawn already; a negative with the text of its positive is left out."""
        documents = self._documents(rows)
        pairs: list[Pair] = []
        ends: list[int] = []
        for row in rows:
            positive = document_key(documents[row.positive])
            others = [each for each in row.negatives if document_key(documents[each]) != positive]
            instruction = self._tokenizer.pair_format.texts.applied(Instruction(row.instruction))
            pairs += [Pair(row.example.query, instruction, documents[each]) for each in (row.positive, *others)]
            ends.append(len(pairs))
        bare = np.array([not row.instruction for row in rows], dtype=np.bool_)
        words = "\0".join(row.example.id for row in rows)
        return PairBatch(self._tokenizer(pairs), np.array(ends, dtype=np.int64), bare, self._number("dropout", words))

    def _documents(self, rows: Sequence[Row]) -> dict[str, Document]:
        ids = list(dict.fromkeys(each for row in rows for each in (row.positive, *row.negatives)))
        return dict(zip(ids, self._mixture.documents(ids), strict=True))

    def _mixed(self, row: Row, epoch: int) -> Row:
        """The row with its few negatives of this epoch."""
        usable = set(row.negatives)
        chance = random.Random(self._number("negatives", epoch, row.example.id))  # noqa: S311 (no secret)
        negatives = [each for each in row.example.negatives if each.id in usable]
        return row._replace(negatives=tuple(mixed(negatives, self._settings.negatives_per_query, chance)))

    def _number(self, *what: object) -> int:
        """A number that depends on the seed and what it is for, and on nothing else."""
        text = "\0".join(map(str, (self._seed, *what)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")

    def _filled(self, rows: Sequence[Row]) -> list[Row]:
        """Rows with too few negatives get documents of other rows, which ask something else."""
        wanted = self._settings.negatives_per_query
        filled = []
        for number, row in enumerate(rows):
            others = [*rows[number + 1 :], *rows[:number]]
            strangers = (other.positive for other in others if not _related(row, other))
            own = {*row.example.positives, *(each.id for each in row.example.negatives)}
            more = [each for each in dict.fromkeys(strangers) if each not in own]
            filled.append(row._replace(negatives=(*row.negatives, *more)[:wanted]))
        return filled


def mixed(negatives: Sequence[Negative], wanted: int, chance: random.Random) -> list[str]:
    """Ids of some negatives: round by round one of each kind, drawn from that kind's."""
    by_kind = {kind: [each.id for each in negatives if each.kind == kind] for kind in _KINDS}
    for ids in by_kind.values():
        chance.shuffle(ids)
    chosen: list[str] = []
    while len(chosen) < wanted and any(by_kind.values()):
        chosen += [ids.pop() for ids in by_kind.values() if ids]
    return chosen[:wanted]


def _related(one: Row, other: Row) -> bool:
    """Whether a document of one row could fit the other: the same query, or the same contrast group."""
    same_group = bool(one.example.group) and one.example.group == other.example.group
    same_query = normalised(one.example.query) == normalised(other.example.query)
    return same_query or (same_group and one.example.dataset == other.example.dataset)


def fitting(mixture: Mixture, tokenizer: PairTokenizer) -> Fitting:
    """The examples whose query leaves room for a document beside the longest of its instructions.

    Raises:
        DataError: There is none.
    """
    longest: dict[tuple[str, ...], str] = {}
    numbers = []
    for number, example in enumerate(mixture):
        wordings = mixture.instructions_for(example)
        if wordings not in longest:
            longest[wordings] = max(wordings, key=lambda text: _tokens(tokenizer, text), default="")
        try:
            tokenizer.room(example.query, Instruction(longest[wordings]))
        except QueryError:
            continue
        numbers.append(number)
    if not numbers:
        raise DataError(f"{mixture.path}: no query leaves room for a document; raise inputs.max_length")
    return Fitting(numbers, len(mixture) - len(numbers))


class WordingRoom:
    """Refuses instructions that leave too little room, before anything is trained."""

    def __init__(self, tokenizer: PairTokenizer) -> None:
        self._tokenizer = tokenizer

    def check_room(self, wordings: Iterable[str]) -> None:
        """See `tart_train.inputs.check_wordings`.

        Raises:
            DataError: A wording leaves no room for a short query and a document.
        """
        for wording in dict.fromkeys(wordings):
            try:
                self._tokenizer.room("a " * _LEAST_QUERY_TOKENS, Instruction(wording))
            except QueryError as error:
                raise DataError(f"the instruction {wording[:80]!r} is too long: {error}") from error


def _tokens(tokenizer: PairTokenizer, wording: str) -> int:
    """What an instruction takes; more than a pair holds where it does not fit."""
    try:
        return -tokenizer.room("a", Instruction(wording))
    except QueryError:
        return tokenizer.pair_format.max_length
