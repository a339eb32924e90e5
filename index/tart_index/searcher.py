"""Search: queries under instructions become ranked hits of one index."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import IndexModelError, QueryError
from tart.instructions import Instruction
from tart.tokens import Tokens
from tart_index.ann.search import ApproximateSearch
from tart_index.exact import ExactSearch, NearestRows
from tart_index.filter_mask import FilterMasks
from tart_index.filters import Filter
from tart_index.folder import IndexFolder
from tart_index.gpus import GpuExactSearch, Gpus, Placement

MAX_TOP_K = 1_000
# Scores and rows of one request, best first. Shapes: (k,), float32, and (k,), int64.
_Found: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]
# By filter: rows that may be found; see `FilterMasks.allowed`.
_Allowed: TypeAlias = dict[Filter | None, NDArray[np.bool_] | None]


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One query.

    Attributes:
        query: Not blank.
        instruction: Free text; "" means none, None the index's default.
        prompt_name: A named instruction of the index, instead of free text.
        top_k: Hits wanted, 1 to `MAX_TOP_K` together with the offset.
        offset: Hits passed over before the first.
        score_threshold: Hits that score less are left out.
        truncate: Cut a query that is too long instead of refusing it.
        filter: Which documents may be found, by their metadata; None means all.
        exact: Score every document, also where the index has an approximate structure.

    Raises:
        QueryError: A value is out of range, or instruction and prompt name are both given.
    """

    query: str
    instruction: str | None = None
    prompt_name: str | None = None
    top_k: int = 10
    offset: int = 0
    score_threshold: float | None = None
    truncate: bool = False
    filter: Filter | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        if self.top_k < 1 or self.offset < 0 or self.top_k + self.offset > MAX_TOP_K:
            raise QueryError(
                f"top_k is {self.top_k} and offset {self.offset}; wanted top_k from 1, offset from 0, "
                f"together at most {MAX_TOP_K}"
            )
        if self.instruction is not None and self.prompt_name is not None:
            raise QueryError("found both an instruction and a prompt name; give one of them")


class Hit(NamedTuple):
    """A document that was found.

    Attributes:
        rank: From 1.
        score: Inner product of unit vectors, the cosine, -1 to 1; or the reranker's, 0 to 1, where there is one.
        document: What was found.
        retrieval_score: The cosine, where `score` is a reranker's.
    """

    rank: int
    score: float
    document: Document
    retrieval_score: float | None = None


class SearchResult(NamedTuple):
    """The hits of one request.

    Attributes:
        instruction_applied: What the model read; "" for none.
        hits: Best first; equal scores in the order of the corpus.
        has_more: Whether more documents would follow.
        tokens: That the model read for this query.
    """

    instruction_applied: str
    hits: list[Hit]
    has_more: bool
    tokens: int


class Timing(NamedTuple):
    """Seconds that the stages of a search took; None for one that there was not."""

    encode: float
    search: float
    fetch: float
    rerank: float | None = None
    filter: float | None = None


class PreparedRequest(NamedTuple):
    """A request that was found good: its instruction resolved, its query tokenised."""

    request: SearchRequest
    instruction: Instruction
    tokens: Tokens


class Answers(NamedTuple):
    """Results in the order of their requests, and the seconds that they took together."""

    results: list[SearchResult]
    timing: Timing


class Searcher:
    """Answers requests from one version of an index. Open one with `Searcher.open`.

    Raises:
        IndexModelError: The encoder is not the one that made the index.
        DependencyError: No faiss is installed.
    """

    def __init__(self, folder: IndexFolder, encoder: Encoder) -> None:
        check_model(folder, encoder)
        self.folder = folder
        self.encoder = encoder
        self._masks = FilterMasks(folder)
        gpus = Gpus.choose(encoder.hardware.device)
        self._exact: NearestRows = (
            GpuExactSearch(folder.vectors, encoder.hardware.threads, Placement(gpus))
            if gpus.numbers
            else ExactSearch(folder.vectors, encoder.hardware.threads)
        )
        self._nearest: NearestRows = self._exact
        if folder.manifest.structure is not None:
            self._nearest = ApproximateSearch(folder, encoder.hardware.threads)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        model: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        threads: int | None = None,
    ) -> Searcher:
        """Opens an index with the model that made it.

        Args:
            path: The index folder.
            model: Where that model is now; its stored name by default.
            device: See `Encoder.load`.
            dtype: See `Encoder.load`.
            threads: See `Encoder.load`.

        Raises:
            IndexFolderError: No index there, a damaged one, or one that another model made.
            ModelError: The model cannot be found or loaded.
        """
        folder = IndexFolder.open(path)
        manifest = folder.manifest
        name = model or manifest.model.name
        encoder = Encoder.load(
            name,
            device=device,
            dtype=dtype,
            threads=threads,
            input_format=manifest.input_format,
            dimension=manifest.cut_dim,
        )
        return cls(folder, encoder)

    def search(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        """Answers requests together: encoded in one batch, searched in one pass.

        Raises:
            QueryError: A query is empty or too long, or names an unknown prompt.
        """
        return self.answer([self.prepare(request) for request in requests]).results

    def prepare(self, request: SearchRequest) -> PreparedRequest:
        """Checks and tokenises a request, so that a bad one is known before it joins a batch.

        Raises:
            QueryError: The query is empty or too long, or names an unknown prompt.
        """
        instruction = self.instruction_for(request)
        tokens = self.encoder.tokenize_queries([request.query], [instruction], truncate=request.truncate)
        return PreparedRequest(request, instruction, tokens)

    def answer(self, prepared: Sequence[PreparedRequest], vectors: NDArray[np.float32] | None = None) -> Answers:
        """Answers prepared requests together.

        Args:
            prepared: The requests.
            vectors: Of their queries, where they are known; embedded by default. Shape: (len(prepared), dim).
        """
        if not prepared:
            return Answers([], Timing(0.0, 0.0, 0.0))
        started = time.perf_counter()
        if vectors is None:
            vectors = self.encoder.embed(Tokens.concatenate([one.tokens for one in prepared]))
        encoded = time.perf_counter()
        allowed = self._allowed([one.request for one in prepared])
        filtered = time.perf_counter()
        found = self._nearest_rows([one.request for one in prepared], vectors, allowed)
        searched = time.perf_counter()
        results = [self._result(one, *rows) for one, rows in zip(prepared, found, strict=True)]
        timing = Timing(encoded - started, searched - filtered, time.perf_counter() - searched)
        return Answers(results, timing._replace(filter=filtered - encoded) if any(allowed) else timing)

    def instruction_for(self, request: SearchRequest) -> Instruction:
        """The instruction that a request's query is encoded under: none where the input format takes none.

        Raises:
            QueryError: The index has no prompt of that name.
        """
        return self.encoder.input_format.applied(self.asked_instruction(request))

    def asked_instruction(self, request: SearchRequest) -> Instruction:
        """The instruction that a request asks for: its own, a named one, or the index's default.

        Raises:
            QueryError: The index has no prompt of that name.
        """
        manifest = self.folder.manifest
        text = manifest.default_instruction if request.instruction is None else request.instruction
        if request.prompt_name is not None:
            if request.prompt_name not in manifest.prompts:
                known = ", ".join(sorted(manifest.prompts)) or "none"
                raise QueryError(f"no named instruction {request.prompt_name!r} in this index; there are: {known}")
            text = manifest.prompts[request.prompt_name]
        return Instruction(text)

    def _allowed(self, requests: Sequence[SearchRequest]) -> _Allowed:
        """The rows that each filter of some requests allows."""
        return {wanted: self._masks.allowed(wanted) for wanted in {request.filter for request in requests}}

    def _nearest_rows(
        self, requests: Sequence[SearchRequest], vectors: NDArray[np.float32], allowed: _Allowed
    ) -> list[_Found]:
        """Scores and rows of each request, best first; requests of one filter are searched together."""
        groups: dict[tuple[Filter | None, bool], list[int]] = defaultdict(list)
        for number, request in enumerate(requests):
            groups[request.filter, request.exact].append(number)
        found: dict[int, _Found] = {}
        for (wanted, exact), numbers in groups.items():
            # One hit more than asked for tells whether there are more.
            k = max(requests[number].top_k + requests[number].offset for number in numbers) + 1
            nearest = self._exact if exact else self._nearest
            best = nearest.search(vectors[numbers], k, allowed[wanted])
            found.update(zip(numbers, zip(best.scores, best.rows, strict=True), strict=True))
        return [found[number] for number in range(len(requests))]

    def _result(self, prepared: PreparedRequest, scores: NDArray[np.float32], rows: NDArray[np.int64]) -> SearchResult:
        request = prepared.request
        passing = len(scores)
        if request.score_threshold is not None:
            passing = int((scores >= request.score_threshold).sum())
        end = min(request.offset + request.top_k, passing)
        hits = [
            Hit(rank + 1, float(scores[rank]), self.folder.document(int(rows[rank])))
            for rank in range(request.offset, end)
        ]
        return SearchResult(prepared.instruction.text, hits, has_more=passing > end, tokens=len(prepared.tokens.ids))


def check_model(folder: IndexFolder, encoder: Encoder) -> None:
    """Refuses an encoder whose vectors do not belong to the index.

    Raises:
        IndexModelError: Another model, or another input format, made the index, or vectors are cut differently.
    """
    made_by = folder.manifest.model
    if folder.manifest.made_by(encoder.uncut.fingerprint) and folder.manifest.dim != encoder.dim:
        raise IndexModelError(
            f"{folder.path}: holds vectors of {folder.manifest.dim} numbers, found {encoder.name!r} with vectors of "
            f"{encoder.dim}; cut them alike: encoder.uncut.cut({folder.manifest.dim})"
        )
    if encoder.fingerprint != made_by.fingerprint:
        raise IndexModelError(
            f"{folder.path}: was built with model {made_by.name!r} ({made_by.fingerprint[:19]}), "
            f"found {encoder.name!r} ({encoder.fingerprint[:19]}); search with the model that built it"
        )
    if encoder.input_format.fingerprint != folder.manifest.input_format.fingerprint:
        raise IndexModelError(
            f"{folder.path}: was built with input format {folder.manifest.input_format.name!r}, "
            f"found {encoder.input_format.name!r}; search with the same format, or build the index anew"
        )
