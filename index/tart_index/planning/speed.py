"""How fast the model is on this machine and on these documents."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.encoder import Encoder
from tart.tokens import Tokens
from tart_index.planning.survey import Survey

# Batches of short, of middling and of long texts, those in the middle first.
_PLACES = (0.5, 0.25, 0.75, 0.125, 0.875, 0.375, 0.625)
_SECONDS = 1.5
# Of all tokens, what a measurement may embed in vain. Its vectors are not kept: a vector's last digits depend on the
# texts that share its batch, and a build must make the same bytes whenever it runs.
_SHARE = 1 / 100


class Speed(NamedTuple):
    """What the model will have to do, and how fast it does it.

    Attributes:
        tokens: Of all documents that must be embedded, about.
        per_second: Tokens; 0 where there is nothing to embed.
    """

    tokens: int
    per_second: float

    @property
    def seconds(self) -> float:
        """Of embedding."""
        return self.tokens / self.per_second if self.per_second else 0.0


def measure_speed(encoder: Encoder, survey: Survey) -> Speed:
    """Embeds a few batches of a survey's sample: a second or two, and never more than a fiftieth of the work."""
    documents = survey.documents_of("embed")
    if not documents:
        return Speed(0, 0.0)
    tokens = encoder.tokenize_documents(documents)
    total = round(len(tokens.ids) / len(documents) * survey.count_of("embed"))
    return Speed(total, _tokens_per_second(encoder, tokens, total))


def _tokens_per_second(encoder: Encoder, tokens: Tokens, total: int) -> float:
    batches = list(tokens.batches(encoder.token_budget))
    chosen = list(dict.fromkeys(int(place * len(batches)) for place in _PLACES))
    started = time.perf_counter()
    # The first batch pays for what a library sets up only once.
    _embed(encoder, tokens, _trimmed(tokens, batches[chosen[0]], total))
    done, seconds = 0, 0.0
    for number in chosen:
        rows = _trimmed(tokens, batches[number], total)
        seconds += _embed(encoder, tokens, rows)
        done += int(tokens.lengths[rows].sum())
        if time.perf_counter() - started > min(_SECONDS, _SHARE * total / (done / seconds)):
            break
    return done / seconds


def _trimmed(tokens: Tokens, rows: NDArray[np.int64], total: int) -> list[int]:
    """The first texts of a batch, at least one, that are a small share of all the tokens."""
    ends = np.cumsum(tokens.lengths[rows])
    return [int(row) for row in rows[: max(int(np.searchsorted(ends, total * _SHARE, side="right")), 1)]]


def _embed(encoder: Encoder, tokens: Tokens, rows: Sequence[int]) -> float:
    started = time.perf_counter()
    encoder.embed(tokens.select(rows))
    return time.perf_counter() - started
