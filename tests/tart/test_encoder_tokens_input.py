from __future__ import annotations

import numpy as np
import pytest

from tart import Encoder
from tart.errors import QueryError

TEXTS = ["merge two dictionaries", "a", "日本 é text"]


def test_token_ids_stand_between_the_special_tokens(encoder: Encoder) -> None:
    expected = encoder.tokenize_queries(TEXTS)
    tokens = encoder.tokenize_ids([expected[row][1:-1].tolist() for row in range(len(TEXTS))])
    assert np.array_equal(tokens.ids, expected.ids)
    assert np.array_equal(tokens.offsets, expected.offsets)
    assert tokens.ids.dtype == np.int32
    assert tokens.offsets.dtype == np.int64
    assert not tokens.truncated.any()
    assert not tokens.skip.any()
    assert np.array_equal(encoder.embed(tokens), encoder.encode_queries(TEXTS))


def test_too_many_token_ids_are_cut_to_the_model_s_limit(encoder: Encoder) -> None:
    room = encoder.max_length - 2
    tokens = encoder.tokenize_ids([[7] * room, [7] * (room + 1), list(range(1_000, 1_000 + 2 * room))])
    assert tokens.truncated.tolist() == [False, True, True]
    assert tokens.lengths.tolist() == [encoder.max_length] * 3
    assert tokens[2].tolist() == [101, *range(1_000, 1_000 + room), 102]


@pytest.mark.parametrize("bad", [[], [-1], [5, 30_522], [2**40]])
def test_ids_that_the_model_does_not_have_are_refused(encoder: Encoder, bad: list[int]) -> None:
    with pytest.raises(QueryError, match=r"text 1: found token id .*; wanted ids from 0 to 30521"):
        encoder.tokenize_ids([[5], bad])
