"""From examples to what a step reads: wordings drawn, texts made token ids, false negatives marked."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.formats import InputFormat
from tart.instructions import Instruction
from tart.models import ModelFolder
from tart.tokens import Tokenizer, Tokens, read_tokenizer
from tart_train.examples import DataError, Example, Negative
from tart_train.mixture import Mixture
from tart_train.recipe import InputSettings
from tart_train.sampling import Draw

# Relevant to the query and wrong only for the instruction.
INSTRUCTION_NEGATIVES = ("unfollowing", "polarity")
_LEAST_QUERY_TOKENS = 8


class Row(NamedTuple):
    """An example as one epoch reads it.

    Attributes:
        example: Where it comes from.
        instruction: The wording drawn; "" is none.
        positive: Id of the positive drawn.
        negatives: Ids.
    """

    example: Example
    instruction: str
    positive: str
    negatives: tuple[str, ...]

    @property
    def ask(self) -> tuple[object, ...]:
        """What is asked for: rows of one ask have the same relevant documents, whatever the wording."""
        text = normalised(self.example.query)
        if not self.instruction:
            return (text,)
        return _ask(self.example)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step reads.

    Attributes:
        texts: Token ids of all queries, then of all documents, each document once.
        positives: Shape: (n_queries,), int64: column of each query's positive.
        masked: Shape: (n_queries, n_documents), bool: documents that are no negatives of the query.
        negatives: Shape: (n_queries, n_documents), bool: the row's own negatives.
        teacher: Shape: (n_queries, n_documents), float32: the miner's scores of own negatives; NaN where none.
        bare: Shape: (n_queries,), bool: read without an instruction.
        grouped: Shape: (n_queries,), bool: of a contrast group.
    """

    texts: Tokens
    positives: NDArray[np.int64]
    masked: NDArray[np.bool_]
    negatives: NDArray[np.bool_]
    teacher: NDArray[np.float32]
    bare: NDArray[np.bool_]
    grouped: NDArray[np.bool_]

    @property
    def queries(self) -> int:
        """How many of the texts are queries."""
        return len(self.positives)


class ChecksRoom(Protocol):
    """What knows how long an instruction may be."""

    def check_room(self, wordings: Iterable[str]) -> None:
        """Refuses instructions that are too long.

        Raises:
            DataError: One is.
        """


class TextInputs:
    """Queries and documents to token ids, exactly as `tart.Encoder` makes them, at the recipe's lengths."""

    def __init__(self, folder: ModelFolder, input_format: InputFormat, settings: InputSettings) -> None:
        self.input_format = input_format
        self.max_query_length = min(settings.max_query_length, folder.max_length)
        self.max_document_length = min(settings.max_document_length, folder.max_length)
        file = folder.path / "tokenizer.json"
        self._query_tokenizer = Tokenizer(read_tokenizer(file), self.max_query_length)
        self._document_tokenizer = Tokenizer(read_tokenizer(file), self.max_document_length)

    def queries(self, queries: Sequence[str], instructions: Sequence[str]) -> Tokens:
        """Token ids of queries under their instructions; "" is none."""
        applied = [self.input_format.applied(Instruction(text)) for text in instructions]
        texts = [self.input_format.render_query(q, i) for q, i in zip(queries, applied, strict=True)]
        prefixes = [self.input_format.render_query_prefix(each) for each in applied]
        return self._query_tokenizer(texts, self._skip(self._query_tokenizer, prefixes))

    def documents(self, documents: Sequence[Document]) -> Tokens:
        """Token ids of documents."""
        texts = [self.input_format.render_document(each) for each in documents]
        prefixes = [self.input_format.render_document_prefix(each) for each in documents]
        return self._document_tokenizer(texts, self._skip(self._document_tokenizer, prefixes))

    def _skip(self, tokenizer: Tokenizer, prefixes: Sequence[str]) -> list[int] | None:
        if self.input_format.pools_instruction:
            return None
        return [tokenizer.prefix_length(prefix) for prefix in prefixes]

    def check_room(self, wordings: Iterable[str]) -> None:
        """Refuses instructions that leave no room for a query: what is cut is the query's end.

        Raises:
            DataError: A wording takes all but a few tokens.
        """
        tight = []
        for wording in dict.fromkeys(wordings):
            applied = self.input_format.applied(Instruction(wording))
            if self._query_tokenizer.count(self.input_format.render_query("", applied)) > self._most_instruction_tokens:
                tight.append(wording)
        if tight:
            raise DataError(
                f"{len(tight)} instructions leave fewer than {_LEAST_QUERY_TOKENS} of {self.max_query_length} tokens "
                f"to the query, the first is {tight[0][:80]!r}; raise inputs.max_query_length or shorten them"
            )

    @property
    def _most_instruction_tokens(self) -> int:
        return self.max_query_length - min(_LEAST_QUERY_TOKENS, self.max_query_length // 4)


class Drawing:
    """Draws what an epoch reads of an example: a function of seed, epoch and the example's id."""

    def __init__(self, wordings: Mapping[str, Sequence[str]], settings: InputSettings, seed: int) -> None:
        self._wordings = wordings
        self._settings = settings
        self._seed = seed

    def __call__(self, example: Example, epoch: int) -> Row:
        """One example as this epoch reads it."""
        digest = hashlib.blake2b(f"{self._seed}\0{epoch}\0{example.id}".encode(), digest_size=8).digest()
        chance = random.Random(int.from_bytes(digest, "big"))  # noqa: S311 (no secret)
        settings = self._settings
        bare_share = settings.no_instruction_contrast if example.group else settings.no_instruction
        bare = chance.random() < bare_share
        wordings = example.instructions or self._wordings.get(example.dataset, ())
        instruction = chance.choice(wordings) if wordings else ""
        positive = chance.choice(example.positives)
        # A bare query cannot tell that these are wrong.
        usable = [each for each in example.negatives if not (bare and each.kind in INSTRUCTION_NEGATIVES)]
        if settings.negative_kinds:
            usable = [each for each in usable if each.kind in settings.negative_kinds]
        drawn = _mixed(usable, settings.negatives_per_query, chance)
        return Row(example, "" if bare else instruction, positive, drawn)


def _mixed(negatives: Sequence[Negative], count: int, chance: random.Random) -> tuple[str, ...]:
    """Ids of some negatives, of as many kinds as there are: over the epochs a row meets all that it lists."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for each in negatives:
        by_kind[each.kind].append(each.id)
    kinds = list(by_kind)
    chance.shuffle(kinds)
    for several in by_kind.values():
        chance.shuffle(several)
    rounds = zip_longest(*(by_kind[kind] for kind in kinds))
    found = [each for several in rounds for each in several if each is not None]
    return tuple(dict.fromkeys(found))[:count]


class Collator:
    """Builds the batches of a mixture.

    Args:
        mixture: Examples and documents.
        inputs: Makes token ids.
        drawing: Draws wordings and positives.
    """

    def __init__(self, mixture: Mixture, inputs: TextInputs, drawing: Drawing) -> None:
        self._mixture = mixture
        self._inputs = inputs
        self._drawing = drawing
        self._known: dict[tuple[object, ...], set[str]] = defaultdict(set)
        for example in mixture:
            self._known[_ask(example)].update(example.positives)
            self._known[normalised(example.query),].update(example.positives)

    def __call__(self, draws: Sequence[Draw]) -> Batch:
        """One batch."""
        examples = self._mixture.examples([draw.row for draw in draws])
        rows = [self._drawing(example, draw.epoch) for example, draw in zip(examples, draws, strict=True)]
        return self.batch(rows)

    def batch(self, rows: Sequence[Row]) -> Batch:
        """The batch of rows that are drawn already."""
        ids = list(dict.fromkeys(each for row in rows for each in (row.positive, *row.negatives)))
        documents = self._mixture.documents(ids)
        first: dict[str, int] = {}
        columns = {
            name: first.setdefault(document_key(document), len(first))
            for name, document in zip(ids, documents, strict=True)
        }
        places = {column: n for n, column in reversed(list(enumerate(columns.values())))}
        texts = Tokens.concatenate(
            [
                self._inputs.queries([row.example.query for row in rows], [row.instruction for row in rows]),
                self._inputs.documents([documents[places[column]] for column in range(len(first))]),
            ]
        )
        negatives, teacher = _own_negatives(rows, columns, len(first))
        return Batch(
            texts=texts,
            positives=np.array([columns[row.positive] for row in rows], dtype=np.int64),
            masked=false_negatives(rows, columns, len(first), self._known),
            negatives=negatives,
            teacher=teacher,
            bare=np.array([not row.instruction for row in rows], dtype=np.bool_),
            grouped=np.array([bool(row.example.group) for row in rows], dtype=np.bool_),
        )


def false_negatives(
    rows: Sequence[Row],
    columns: Mapping[str, int],
    n_documents: int,
    known: Mapping[tuple[object, ...], set[str]],
) -> NDArray[np.bool_]:
    """Documents of the batch that must not count as negatives of a row.

    These are known positives of what the row asks for, documents with the text of its positive (they share its
    column), and for a bare row whatever the batch holds of its group: without the instruction they all fit. The
    negatives that teach the instruction itself stay for the row that carries it, even where a guide or another row
    would take them for relevant (in GISTEmbed, Solatorio 2024, a guide would mask them).

    Args:
        rows: Of the batch.
        columns: Document id -> column; several ids of one text share a column.
        n_documents: Columns.
        known: What was asked -> ids of documents that fit; see `Row.ask`.

    Returns:
        Shape: (len(rows), n_documents); a row's own positive is never masked.
    """
    masked = np.zeros((len(rows), n_documents), dtype=np.bool_)
    members: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in rows:
        if row.example.group:
            members[row.example.dataset, row.example.group].update(
                columns[each] for each in (row.positive, *row.negatives)
            )
    for number, row in enumerate(rows):
        fitting = known.get(row.ask, set()).union(row.example.positives)
        smaller = fitting if len(fitting) < len(columns) else columns
        masked[number, [columns[each] for each in smaller if each in columns and each in fitting]] = True
        if row.instruction:
            kinds = {each.id: each.kind for each in row.example.negatives}
            taught = [columns[each] for each in row.negatives if kinds[each] in INSTRUCTION_NEGATIVES]
            masked[number, taught] = False
        else:
            masked[number, sorted(members.get((row.example.dataset, row.example.group), ()))] = True
            wrong = [each.id for each in row.example.negatives if each.kind in INSTRUCTION_NEGATIVES]
            masked[number, [columns[each] for each in wrong if each in columns]] = True
        masked[number, columns[row.positive]] = False
    return masked


def _own_negatives(
    rows: Sequence[Row], columns: Mapping[str, int], n_documents: int
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    own = np.zeros((len(rows), n_documents), dtype=np.bool_)
    teacher = np.full((len(rows), n_documents), np.nan, dtype=np.float32)
    for number, row in enumerate(rows):
        scores = {each.id: each.score for each in row.example.negatives}
        for name in row.negatives:
            if columns[name] != columns[row.positive]:
                own[number, columns[name]] = True
                score = scores[name]
                teacher[number, columns[name]] = np.nan if score is None else score
    return own, teacher


def normalised(text: str) -> str:
    """A text for comparing: case and white space do not count."""
    return " ".join(text.lower().split())


def document_key(document: Document) -> str:
    """Equal for documents that read the same but for case and white space."""
    return hashlib.blake2b(normalised(f"{document.title} {document.text}").encode(), digest_size=16).hexdigest()


def _ask(example: Example) -> tuple[object, ...]:
    """Set, query and, where the row has instructions of its own, these: what makes documents relevant."""
    return (example.dataset, normalised(example.query), example.group, example.instructions)


def check_wordings(mixture: Mixture, inputs: ChecksRoom) -> None:
    """Refuses a mixture that some rows of which could never be read with an instruction.

    Raises:
        DataError: A set has no wordings though its rows have none of their own, or a wording is too long.
    """
    wordings: dict[str, None] = {}
    lacking: dict[str, None] = {}
    for example in mixture:
        if example.instructions:
            wordings.update(dict.fromkeys(example.instructions))
        elif not mixture.instructions.get(example.dataset):
            lacking[example.dataset] = None
    if lacking:
        raise DataError(
            f"{mixture.path}: the sets {', '.join(lacking)} have no instructions; add wordings for each and mine anew"
        )
    inputs.check_room([*wordings, *(each for several in mixture.instructions.values() for each in several)])
