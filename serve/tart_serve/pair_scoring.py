"""Documents of a request scored for its query: by the reranker, or by the embedding model where that one is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import Encoder, batched
from tart.errors import QueryError
from tart.reranker import Reranker
from tart.tokens import Tokens
from tart_serve.refusal import FieldFault, Refusal
from tart_serve.served_models import ServedModels
from tart_serve.served_reranker import ServedReranker
from tart_serve.service import Service

# Documents that are scored in one go: other requests have their turn in between.
SLICE = 64
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class ScoredQuery:
    """What documents are scored for.

    Attributes:
        query: Not blank.
        instruction: In plain words; "" or None for none.
        document_tokens: Of each document only so many are read; None for as many as the model takes.
    """

    query: str
    instruction: str | None
    document_tokens: int | None


class Scores(NamedTuple):
    """What came of some documents.

    Attributes:
        scores: In the order of the documents.
        tokens: That the model read.
    """

    scores: list[float]
    tokens: int


class Scorer(Protocol):
    """A model that scores documents for a query."""

    @property
    def name(self) -> str:
        """As replies show it."""

    @property
    def max_length(self) -> int:
        """Tokens that the model takes."""

    def score(self, query: ScoredQuery, texts: Sequence[str]) -> Scores:
        """Scores some texts.

        Raises:
            QueryError: The query is blank or, with its instruction, too long.
        """


@dataclass(frozen=True, slots=True)
class CrossScorer:
    """Scores with the reranker: 0 to 1."""

    name: str
    reranker: Reranker

    @property
    def max_length(self) -> int:
        """Tokens of query, instruction and document together."""
        return self.reranker.pair_format.max_length

    def score(self, query: ScoredQuery, texts: Sequence[str]) -> Scores:
        """See `Scorer.score`."""
        limit = query.document_tokens or self.max_length
        documents = _documents([self.reranker.first_tokens(text, limit) for text in texts])
        pairs = self.reranker.tokenize(self.reranker.pairs(query.query, query.instruction, documents))
        return Scores(self.reranker.scores(pairs).tolist(), len(pairs.tokens.ids))


@dataclass(frozen=True, slots=True)
class CosineScorer:
    """Scores with the embedding model: the cosine of query and document, -1 to 1, as in a search."""

    name: str
    encoder: Encoder

    @property
    def max_length(self) -> int:
        """Tokens of a document."""
        return self.encoder.max_length

    def score(self, query: ScoredQuery, texts: Sequence[str]) -> Scores:
        """See `Scorer.score`."""
        limit = query.document_tokens or self.max_length
        documents = _documents([self.encoder.first_tokens(text, limit) for text in texts])
        asked = self.encoder.tokenize_queries([query.query], [query.instruction])
        tokens = Tokens.concatenate([asked, self.encoder.tokenize_documents(documents)])
        vectors: NDArray[np.float32] = self.encoder.embed(tokens)
        return Scores((vectors[1:] @ vectors[0]).tolist(), len(tokens.ids))


def scorer_named(name: str | None, models: ServedModels, reranker: ServedReranker) -> Scorer:
    """The model that a request names; without a name the reranker, or else the only embedding model.

    Raises:
        Refusal: There is none of this name (404), or none was named where there are several (422).
    """
    if name is None:
        return _unnamed(models, reranker)
    cross_encoder = reranker.called(name)
    if cross_encoder is not None:
        return CrossScorer(reranker.name, cross_encoder)
    encoder = models.named(name, also=reranker.names)
    return CosineScorer(models.name_of(encoder), encoder)


async def score_documents(service: Service, scorer: Scorer, query: ScoredQuery, texts: Sequence[str]) -> Scores:
    """Scores any number of texts in slices, each of which waits its turn in the engine.

    Raises:
        Refusal: The query is blank or too long, or the texts are too long together (422), or what the engine refuses.
    """
    _refuse_many_tokens(_about(texts, scorer), service.settings.limits.max_request_tokens)
    scores: list[float] = []
    tokens = 0
    for some in batched(texts, SLICE):
        work = partial(scorer.score, query, some)
        try:
            scored, _ = await service.engine.run(work, tokens=_about(some, scorer))
        except QueryError as error:
            raise Refusal(422, f"query: {error}", [FieldFault("#/query", str(error))]) from error
        scores.extend(scored.scores)
        tokens += scored.tokens
    return Scores(scores, tokens)


def best_first(scores: Sequence[float], most: int | None) -> list[int]:
    """Positions of the best scores; equal ones in the order given."""
    return sorted(range(len(scores)), key=lambda number: -scores[number])[:most]


def _about(texts: Sequence[str], scorer: Scorer) -> int:
    """Tokens that a model will read of some texts; counting them exactly would cost as much as tokenising."""
    return sum(min(len(text) // _CHARACTERS_PER_TOKEN + 1, scorer.max_length) for text in texts)


def _refuse_many_tokens(about: int, most: int) -> None:
    if about > most:
        detail = f"the documents have about {about:,} tokens together; at most {most:,} are taken in one request"
        raise Refusal(422, f"documents: {detail}", [FieldFault("#/documents", detail)])


def _unnamed(models: ServedModels, reranker: ServedReranker) -> Scorer:
    if reranker.served is not None:
        return CrossScorer(reranker.name, reranker.served)
    encoders = list(models)
    if len(encoders) > 1:
        detail = "several models are served; name one of: " + ", ".join(sorted(name for name, _ in encoders))
        raise Refusal(422, f"model: {detail}", [FieldFault("#/model", detail)])
    return CosineScorer(*encoders[0])


def _documents(texts: Sequence[str]) -> list[Document]:
    return [Document(str(number), text) for number, text in enumerate(texts)]
