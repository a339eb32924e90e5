"""Offline index builder and search over an index folder."""

from typing import TYPE_CHECKING

from tart.lazy import lazy_names

if TYPE_CHECKING:
    from tart_index.builder import BuildOptions, BuildResult, build_index
    from tart_index.corpus import Corpus
    from tart_index.folder import IndexFolder
    from tart_index.searcher import Hit, Searcher, SearchRequest

__all__ = [
    "BuildOptions",
    "BuildResult",
    "Corpus",
    "Hit",
    "IndexFolder",
    "SearchRequest",
    "Searcher",
    "build_index",
]

__getattr__ = lazy_names(
    __name__,
    {
        "BuildOptions": "tart_index.builder",
        "BuildResult": "tart_index.builder",
        "Corpus": "tart_index.corpus",
        "Hit": "tart_index.searcher",
        "IndexFolder": "tart_index.folder",
        "SearchRequest": "tart_index.searcher",
        "Searcher": "tart_index.searcher",
        "build_index": "tart_index.builder",
    },
)
