"""What came of the requests of one caller, where a bad one does not fail the others."""

from __future__ import annotations

from typing import NamedTuple

from tart.errors import QueryError
from tart_index.searcher import SearchResult, Timing


class BatchAnswer(NamedTuple):
    """Results, or why there is none, in the order of the requests.

    Attributes:
        outcomes: One a request.
        timing: Of all that was answered together; encoding includes tokenising.
    """

    outcomes: list[SearchResult | QueryError]
    timing: Timing
