"""The reranker: (query, instruction, document) to a score; TART-full (Asai et al. 2022, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import batched
from tart.engines.hardware import Hardware
from tart.engines.pairs import ClassifierPairs, PackedPairs, PairEngine
from tart.errors import ModelError
from tart.instructions import NO_INSTRUCTION, Instruction
from tart.pair_format import PairFormat
from tart.pair_tokens import Pair, PairTokenizer, PairTokens
from tart.reranker_folder import RerankerFolder
from tart.tokens import read_tokenizer

# Query, instruction (None or "" for none), documents.
RerankRequest: TypeAlias = tuple[str, Instruction | str | None, Sequence[Document]]

# Pairs that are tokenised at once; long lists would fill the memory.
_WINDOW = 4_096


class Reranker:
    """A cross-encoder with its tokenizer, pair format and hardware. Load one with `Reranker.load`."""

    def __init__(
        self, folder: RerankerFolder, engine: PairEngine, tokenizer: PairTokenizer, hardware: Hardware
    ) -> None:
        self.name = folder.name
        self.hardware = hardware
        self.fingerprint = folder.fingerprint()
        self._engine = engine
        self._tokenizer = tokenizer

    @classmethod
    def load(
        cls,
        name_or_path: str,
        *,
        device: str | None = None,
        dtype: str | None = None,
        threads: int | None = None,
    ) -> Reranker:
        """Loads a reranker: a folder that `tart train full` saved, or a one-label CrossEncoder (folder or hub id).

        Args:
            name_or_path: A local folder or a hub id.
            device: "cpu", "cuda", "cuda:N" or "mps"; chosen by the hardware by default.
            dtype: "float32", "bfloat16" or "float16"; chosen by the hardware by default.
            threads: CPU threads; all that this process may use by default.

        Raises:
            ModelError: No such model, device or number type, a damaged model, or one that is no reranker.
        """
        folder = RerankerFolder.open(name_or_path)
        hardware = Hardware.choose(device, dtype, threads)
        file = folder.body / "tokenizer.json"
        if not file.is_file():
            raise ModelError(f"reranker {name_or_path!r} has no tokenizer.json; wanted a model with a fast tokenizer")
        tokenizer = PairTokenizer(read_tokenizer(file), folder.pair_format)
        engine: PairEngine
        if folder.is_packable:
            tensors = folder.tensors()
            engine = PackedPairs(name_or_path, folder.config, tensors, folder.head(tensors), hardware)
        else:
            engine = ClassifierPairs(name_or_path, str(folder.path), hardware)
        return cls(folder, engine, tokenizer, hardware)

    @property
    def pair_format(self) -> PairFormat:
        """What the model reads."""
        return self._tokenizer.pair_format

    def check(self, query: str, instruction: Instruction | str | None = None) -> None:
        """Refuses a query that would be refused by `score`, without scoring anything.

        Raises:
            QueryError: The query is blank, or with its instruction leaves too little room for a document.
        """
        self._tokenizer.room(query, self._applied(instruction))

    def score(
        self, query: str, instruction: Instruction | str | None, documents: Sequence[Document]
    ) -> NDArray[np.float32]:
        """How well documents fit a query under an instruction; documents that are too long are cut at their ends.

        Returns:
            Shape: (n_documents,), float32, 0 to 1.

        Raises:
            QueryError: The query is blank, or with its instruction leaves too little room for a document.
        """
        return self.score_many([(query, instruction, documents)])[0]

    def score_many(
        self, requests: Sequence[RerankRequest], on_batch: Callable[[int], None] | None = None
    ) -> list[NDArray[np.float32]]:
        """Scores the pairs of several requests together, in length-sorted token-budget batches.

        Args:
            requests: Each a query, its instruction (None or "" for none), and documents.
            on_batch: Is told how many pairs each batch held, for a progress bar.

        Returns:
            One array a request, in the order of its documents; see `score`.

        Raises:
            QueryError: See `score`.
        """
        pairs: list[Pair] = []
        for query, instruction, documents in requests:
            pairs.extend(self.pairs(query, instruction, documents))
        windows = [self.logits(self.tokenize(window), on_batch) for window in batched(pairs, _WINDOW)]
        scores = _sigmoid(np.concatenate([np.empty(0, np.float32), *windows]))
        ends = np.cumsum([len(documents) for _, _, documents in requests])
        return np.split(scores, ends[:-1]) if requests else []

    def scores(self, pairs: PairTokens) -> NDArray[np.float32]:
        """How well the documents of tokenised pairs fit; see `score`.

        Returns:
            Shape: (len(pairs),), float32, 0 to 1, in the order of the pairs.
        """
        return _sigmoid(self.logits(pairs))

    def pairs(self, query: str, instruction: Instruction | str | None, documents: Sequence[Document]) -> list[Pair]:
        """What is scored for a query: each document with it and the instruction."""
        applied = self._applied(instruction)
        return [Pair(query, applied, document) for document in documents]

    def first_tokens(self, text: str, count: int) -> str:
        """The start of a text that holds so many tokens; a shorter text whole."""
        return self._tokenizer.first_tokens(text, count)

    def tokenize(self, pairs: Sequence[Pair]) -> PairTokens:
        """Token ids of pairs in the model's format; see `PairTokenizer`."""
        return self._tokenizer(pairs)

    def logits(self, pairs: PairTokens, on_batch: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Scores before the sigmoid.

        Returns:
            Shape: (len(pairs),), float32, in the order of the pairs.
        """
        logits = np.empty(len(pairs), dtype=np.float32)
        for rows in pairs.tokens.batches(self._engine.token_budget):
            numbers = rows.tolist()
            texts = [pairs.tokens[row] for row in numbers]
            logits[rows] = self._engine.score(texts, [pairs.types_of(row) for row in numbers])
            if on_batch is not None:
                on_batch(len(rows))
        return logits

    def _applied(self, instruction: Instruction | str | None) -> Instruction:
        if isinstance(instruction, str):
            instruction = Instruction(instruction)
        return self.pair_format.texts.applied(instruction or NO_INSTRUCTION)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Written so that no logit overflows."""
    return (0.5 + 0.5 * np.tanh(0.5 * logits.astype(np.float64))).astype(np.float32)
