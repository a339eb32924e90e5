"""The reranker of a service, where it has one."""

from __future__ import annotations

from tart.reranker import Reranker
from tart_index import RerankingSearcher, Searcher
from tart_serve.refusal import FieldFault, Refusal
from tart_serve.schemas.search import RerankBody
from tart_serve.served_models import public_model_name


class ServedReranker:
    """Puts the reranker between a request that asks for it and its index."""

    def __init__(self, reranker: Reranker | None) -> None:
        self._reranker = reranker

    def over(self, searcher: Searcher, asked: RerankBody | None) -> Searcher | RerankingSearcher:
        """What answers a request: the index itself, or the reranker over it.

        Raises:
            Refusal: The request asks for a reranker that is not served: any (422), or one of this name (404).
        """
        if asked is None:
            return searcher
        if self._reranker is None:
            detail = "this service has no reranker; leave the field out, or ask the operator for tart serve --rerank"
            raise Refusal(422, f"rerank: {detail}", [FieldFault("#/rerank", detail)])
        names = _names(self._reranker)
        if asked.model is not None and asked.model not in names:
            detail = f"the reranker {asked.model[:100]!r} is not served here; there is: {names[0]}"
            raise Refusal(404, detail, [FieldFault("#/rerank/model", detail)])
        return RerankingSearcher(searcher, self._reranker, asked.top_n)


def _names(reranker: Reranker) -> list[str]:
    """As stored, and without its organisation; of a folder only its last part."""
    name = public_model_name(reranker.name)
    return [name, name.rpartition("/")[2]]
