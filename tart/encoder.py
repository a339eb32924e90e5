"""The bi-encoder: documents, and queries under instructions, become unit vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from copy import copy
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.engines import Engine, Hardware, packed_bert
from tart.engines.cut import CutEngine
from tart.engines.sentence import SentenceEngine
from tart.errors import ModelError, QueryError
from tart.formats import InputFormat, preset
from tart.instructions import NO_INSTRUCTION, Instruction
from tart.models import DEFAULT_MODEL, ModelFolder, cut_fingerprint
from tart.prefetch import Prefetch
from tart.tokens import Tokenizer, Tokens, first_tokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer
    from typing_extensions import Self

T = TypeVar("T")

WINDOW = 4_096


class EncodedWindow(NamedTuple):
    """Some documents of a stream with what the encoder made of them."""

    documents: Sequence[Document]
    tokens: Tokens
    vectors: NDArray[np.float32]


class Encoder:
    """A bi-encoder with its tokenizer, input format and hardware. Load one with `Encoder.load`."""

    def __init__(self, folder: ModelFolder, engine: Engine, input_format: InputFormat, hardware: Hardware) -> None:
        self.name = folder.name
        self.input_format = input_format
        self.hardware = hardware
        self.fingerprint = folder.fingerprint()
        self.matryoshka = folder.matryoshka
        self._whole: Encoder | None = None
        self._engine = engine
        self._tokenizer = Tokenizer(engine.tokenizer, folder.max_length)

    @classmethod
    def load(
        cls,
        name_or_path: str = DEFAULT_MODEL,
        *,
        device: str | None = None,
        dtype: str | None = None,
        threads: int | None = None,
        input_format: InputFormat | str | None = None,
        dimension: int | None = None,
    ) -> Encoder:
        """Loads a model: the shipped one, a local sentence-transformers folder, or a hub id.

        Args:
            name_or_path: See `tart.models.locate`.
            device: "cpu", "cuda", "cuda:N" or "mps"; chosen by the hardware by default.
            dtype: "float32", "bfloat16" or "float16"; chosen by the hardware by default.
            threads: CPU threads; all that this process may use by default.
            input_format: A preset's name or a format; the model's own by default.
            dimension: Cut vectors to so many numbers; see `cut`.

        Raises:
            ModelError: No such model, device, number type or format, the model is no encoder, or its vectors are
                shorter than `dimension`.
        """
        folder = ModelFolder.open(name_or_path)
        hardware = Hardware.choose(device, dtype, threads)
        engine = packed_bert.PackedBert if packed_bert.supports(folder) else SentenceEngine
        encoder = cls.of(folder, lambda: engine(folder, hardware), input_format, hardware)
        return encoder if dimension is None else encoder.cut(dimension)

    @classmethod
    def of(
        cls,
        folder: ModelFolder,
        engine: Callable[[], Engine],
        input_format: InputFormat | str | None,
        hardware: Hardware,
    ) -> Self:
        """A model with its engine; the format is checked before the engine is made. See `load`."""
        if input_format is None:
            input_format = folder.input_format
        elif isinstance(input_format, str):
            input_format = preset(input_format)
        return cls(folder, engine(), input_format, hardware)

    def cut(self, dimension: int) -> Encoder:
        """The same model with vectors of fewer numbers: the first of its own, brought to unit length again.

        Its fingerprint is another one, for so are its vectors. `uncut` is the encoder with the model's own vectors.

        Args:
            dimension: Numbers that stay; the model's own length changes nothing.

        Raises:
            ModelError: The model's vectors are shorter.
        """
        whole = self.uncut
        if not 1 <= dimension <= whole.dim:
            raise ModelError(
                f"dimension is {dimension}, the vectors of {self.name!r} have {whole.dim} numbers; "
                f"wanted 1 to {whole.dim}"
            )
        if dimension == whole.dim:
            return whole
        other = whole.through(lambda own: CutEngine(own, dimension))
        other.fingerprint = cut_fingerprint(whole.fingerprint, dimension)
        other._whole = whole
        return other

    @property
    def uncut(self) -> Encoder:
        """The encoder with the model's own vectors; itself where these are not cut."""
        return self if self._whole is None else self._whole

    @property
    def trained_for_dim(self) -> bool:
        """Whether its vectors are the model's own, or cut to a length that the model is known to be trained for."""
        return self.uncut.dim == self.dim or self.dim in self.matryoshka

    def through(self, wrap: Callable[[Engine], Engine]) -> Encoder:
        """The same encoder with its batches run by another engine around its own: one that waits in a queue, say."""
        other = copy(self)
        other._engine = wrap(self._engine)
        return other

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._engine.dim

    @property
    def max_length(self) -> int:
        """Tokens that the model takes, special tokens counted."""
        return self._tokenizer.max_length

    @property
    def token_budget(self) -> int:
        """Tokens per batch that are fastest on its device."""
        return self._engine.token_budget

    @property
    def fast_tokenizer(self) -> FastTokenizer:
        """The model's own tokenizer."""
        return self._engine.tokenizer

    @property
    def in_hand(self) -> int:
        """Lists of texts that keep it busy, for `submit`."""
        return 1

    def encode_documents(self, documents: Iterable[Document]) -> NDArray[np.float32]:
        """Embeds documents; those longer than the model takes are truncated.

        Returns:
            Shape: (n_documents, dim), float32, unit rows.
        """
        windows = [window.vectors for window in self.encode_windows(batched(documents, WINDOW))]
        return np.concatenate(windows) if windows else np.empty((0, self.dim), dtype=np.float32)

    def encode_queries(
        self,
        queries: Sequence[str],
        instructions: Sequence[Instruction | str | None] | None = None,
        *,
        truncate: bool = False,
    ) -> NDArray[np.float32]:
        """Embeds queries, each under its own instruction.

        Args:
            queries: Not blank.
            instructions: One per query; None or "" means no instruction.
            truncate: Cut a query that is too long instead of refusing it. The instruction is never cut.

        Returns:
            Shape: (n_queries, dim), float32, unit rows.

        Raises:
            QueryError: A query is blank or too long, an instruction alone is too long, or the counts differ.
        """
        return self.embed(self.tokenize_queries(queries, instructions, truncate=truncate))

    def encode_windows(self, windows: Iterable[Sequence[Document]]) -> Iterator[EncodedWindow]:
        """Embeds a stream of document windows; one window is read and tokenised while another is in the model.

        A window's vectors do not depend on the windows around it.
        """
        with Prefetch((window, self.tokenize_documents(window)) for window in windows) as ahead:
            for window, tokens in ahead:
                yield EncodedWindow(window, tokens, self.embed(tokens))

    def tokenize_documents(self, documents: Sequence[Document]) -> Tokens:
        """Token ids of documents in the model's input format, cut to its limit."""
        prefixes = [self.input_format.render_document_prefix(document) for document in documents]
        return self._tokenizer([self.input_format.render_document(d) for d in documents], self._skipped(prefixes))

    def tokenize_queries(
        self,
        queries: Sequence[str],
        instructions: Sequence[Instruction | str | None] | None = None,
        *,
        truncate: bool = False,
    ) -> Tokens:
        """Token ids of queries under instructions; see `encode_queries`."""
        given = [None] * len(queries) if instructions is None else instructions
        if len(given) != len(queries):
            raise QueryError(f"found {len(queries)} queries and {len(given)} instructions; wanted one for each query")
        applied = [self._applied(instruction) for instruction in given]
        for query, instruction in zip(queries, applied, strict=True):
            self._check_query(query, instruction)
        texts = [self.input_format.render_query(q, i) for q, i in zip(queries, applied, strict=True)]
        prefixes = [self.input_format.render_query_prefix(instruction) for instruction in applied]
        tokens = self._tokenizer(texts, self._skipped(prefixes))
        if not truncate and tokens.truncated.any():
            self._refuse_long_query(texts[int(tokens.truncated.argmax())])
        return tokens

    def first_tokens(self, text: str, count: int) -> str:
        """The start of a text that holds so many tokens, special ones not counted; a shorter text whole."""
        return text if count >= self.max_length else first_tokens(self._engine.tokenizer, text, count)

    def tokenize_ids(self, texts: Sequence[Sequence[int]]) -> Tokens:
        """Token ids that a caller made with the model's own tokenizer, cut to its limit, between its special tokens.

        The input format is not applied: the ids are all that the model reads.

        Raises:
            QueryError: A text has no token ids, or one that is not in the vocabulary.
        """
        vocabulary = self._engine.tokenizer.get_vocab_size()
        for number, ids in enumerate(texts):
            if not ids or min(ids) < 0 or max(ids) >= vocabulary:
                found = next((one for one in ids if not 0 <= one < vocabulary), "none")
                raise QueryError(f"text {number}: found token id {found}; wanted ids from 0 to {vocabulary - 1}")
        before, after = self._special_ids()
        room = self.max_length - len(before) - len(after)
        rows = [[*before, *ids[:room], *after] for ids in texts]
        return Tokens(
            ids=np.array(list(chain.from_iterable(rows)), dtype=np.int32),
            offsets=np.cumsum([0, *map(len, rows)]),
            truncated=np.array([len(ids) > room for ids in texts], dtype=np.bool_),
            skip=np.zeros(len(rows), dtype=np.int32),
        )

    def embed(self, tokens: Tokens, on_batch: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Embeds tokenised texts in length-sorted token-budget batches.

        Args:
            tokens: From `tokenize_documents` or `tokenize_queries`.
            on_batch: Is told how many texts each batch held, for a progress bar.

        Returns:
            Shape: (len(tokens), dim), float32, unit rows, in the order of the texts.
        """
        vectors = np.empty((len(tokens), self.dim), dtype=np.float32)
        for rows in tokens.batches(self._engine.token_budget):
            vectors[rows] = self._engine.embed([tokens[int(row)] for row in rows], tokens.skip[rows].tolist())
            if on_batch is not None:
                on_batch(len(rows))
        return vectors

    def submit(self, tokens: Tokens, on_batch: Callable[[int], None] | None = None) -> Future[NDArray[np.float32]]:
        """The same, to be waited for: done at once here, while others are embedded where there are several devices."""
        done: Future[NDArray[np.float32]] = Future()
        done.set_result(self.embed(tokens, on_batch))
        return done

    def _special_ids(self) -> tuple[list[int], list[int]]:
        """The special tokens that stand before and after every text."""
        encoding = self._engine.tokenizer.encode("a")
        first = encoding.special_tokens_mask.index(0)
        return encoding.ids[:first], encoding.ids[first + encoding.special_tokens_mask.count(0) :]

    def _applied(self, instruction: Instruction | str | None) -> Instruction:
        if isinstance(instruction, str):
            instruction = Instruction(instruction)
        return self.input_format.applied(instruction or NO_INSTRUCTION)

    def _skipped(self, prefixes: Sequence[str]) -> list[int] | None:
        if self.input_format.pools_instruction:
            return None
        return [self._tokenizer.prefix_length(prefix) for prefix in prefixes]

    def _check_query(self, query: str, instruction: Instruction) -> None:
        if not query.strip():
            raise QueryError("the query is empty; say what to look for")
        if instruction:
            alone = self._tokenizer.count(self.input_format.render_query("", instruction))
            if alone >= self.max_length:
                raise QueryError(
                    f"the instruction alone takes {alone} of the model's {self.max_length} tokens and leaves none "
                    "for the query; shorten the instruction"
                )

    def _refuse_long_query(self, text: str) -> None:
        raise QueryError(
            f"instruction and query together have {self._tokenizer.count(text)} tokens, the model takes "
            f"{self.max_length}; shorten the query or ask for truncation (the query's end is then cut)"
        )


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
