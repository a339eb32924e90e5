"""Offline index builder and search over an index folder."""

from typing import TYPE_CHECKING

from tart.lazy import lazy_names

if TYPE_CHECKING:
    from tart_index.builder import BuildOptions, BuildResult, build_index
    from tart_index.corpus import Corpus
    from tart_index.filters import Filter, parse_filter
    from tart_index.folder import IndexFolder
    from tart_index.reranking import RerankingSearcher
    from tart_index.searcher import Hit, Searcher, SearchRequest

__all__ = [
    "BuildOptions",
    "BuildResult",
    "Corpus",
    "Filter",
    "Hit",
    "IndexFolder",
    "RerankingSearcher",
    "SearchRequest",
    "Searcher",
    "build_index",
    "parse_filter",
]

__getattr__ = lazy_names(
    __name__,
    {
        "BuildOptions": "tart_index.builder",
        "BuildResult": "tart_index.builder",
        "Corpus": "tart_index.corpus",
        "Filter": "tart_index.filters",
        "Hit": "tart_index.searcher",
        "IndexFolder": "tart_index.folder",
        "RerankingSearcher": "tart_index.reranking",
        "SearchRequest": "tart_index.searcher",
        "Searcher": "tart_index.searcher",
        "build_index": "tart_index.builder",
        "parse_filter": "tart_index.filters",
    },
)
