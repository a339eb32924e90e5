"""The reranker of a service, where it has one."""

from __future__ import annotations

from tart.reranker import Reranker
from tart_index import RerankingSearcher, Searcher
from tart_serve.refusal import FieldFault, Refusal
from tart_serve.schemas.search import RerankBody
from tart_serve.served_models import public_model_name


class ServedReranker:
    """Puts the reranker between a request that asks for it and its index.

    Attributes:
        served: The reranker, if there is one.
        names: That requests call it by: as stored, and without its organisation; of a folder only its last part.
    """

    def __init__(self, reranker: Reranker | None) -> None:
        self.served = reranker
        self.names = () if reranker is None else _names(reranker)

    @property
    def name(self) -> str:
        """The name that replies show; there must be a reranker."""
        return self.names[0]

    def called(self, name: str) -> Reranker | None:
        """The reranker, if it has this name."""
        return self.served if name in self.names else None

    def over(self, searcher: Searcher, asked: RerankBody | None) -> Searcher | RerankingSearcher:
        """What answers a request: the index itself, or the reranker over it.

        Raises:
            Refusal: The request asks for a reranker that is not served: any (422), or one of this name (404).
        """
        if asked is None:
            return searcher
        if self.served is None:
            detail = "this service has no reranker; leave the field out, or ask the operator for tart serve --rerank"
            raise Refusal(422, f"rerank: {detail}", [FieldFault("#/rerank", detail)])
        if asked.model is not None and asked.model not in self.names:
            detail = f"the reranker {asked.model[:100]!r} is not served here; there is: {self.name}"
            raise Refusal(404, detail, [FieldFault("#/rerank/model", detail)])
        return RerankingSearcher(searcher, self.served, asked.top_n)


def _names(reranker: Reranker) -> tuple[str, ...]:
    name = public_model_name(reranker.name)
    return name, name.rpartition("/")[2]
