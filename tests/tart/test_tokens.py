from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer

from tart.encoder import Encoder
from tart.models import ModelFolder
from tart.tokens import Tokenizer, Tokens


def fast() -> FastTokenizer:
    return FastTokenizer.from_file(str(ModelFolder.open("all-MiniLM-L6-v2").path / "tokenizer.json"))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(fast(), max_length=16)


def ragged(lengths: list[int]) -> Tokens:
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return Tokens(
        np.arange(offsets[-1], dtype=np.int32), offsets, np.zeros(len(lengths), bool), np.zeros(len(lengths), np.int32)
    )


def test_ids_are_those_of_the_models_own_tokenizer(tokenizer: Tokenizer) -> None:
    tokens = tokenizer(["merge two dicts", "", "find it [SEP] merge"])
    # [CLS] merge two di ##cts [SEP]; [CLS] [SEP]; [CLS] find it [SEP] merge [SEP]
    assert [tokens[row].tolist() for row in range(3)] == [
        [101, 13590, 2048, 4487, 16649, 102],
        [101, 102],
        [101, 2424, 2009, 102, 13590, 102],
    ]
    assert not tokens.truncated.any()


def test_cuts_to_the_limit_and_says_so(tokenizer: Tokenizer) -> None:
    tokens = tokenizer([" ".join(["word"] * count) for count in (13, 14, 15, 400)])
    assert tokens.lengths.tolist() == [15, 16, 16, 16]
    assert tokens.truncated.tolist() == [False, False, True, True]
    assert [int(tokens[row][-1]) for row in range(4)] == [102] * 4


@given(st.lists(st.sampled_from(["a", "merge", "\n", "é", "x" * 150, "!!", "日本語", "[SEP]"]), max_size=400))
def test_reading_only_a_long_texts_start_changes_nothing(words: list[str]) -> None:
    text = " ".join(words)
    reference = fast()
    reference.no_padding()
    reference.enable_truncation(16)
    wanted = reference.encode(text)
    tokens = Tokenizer(fast(), max_length=16)([text])
    assert tokens[0].tolist() == wanted.ids
    assert bool(tokens.truncated[0]) == bool(wanted.overflowing)


def test_counts_beyond_the_limit(tokenizer: Tokenizer) -> None:
    assert tokenizer.count("word") == 3
    assert tokenizer.count(" ".join(["word"] * 1_000)) == 1_002


def test_a_prefix_counts_its_special_token(tokenizer: Tokenizer) -> None:
    assert tokenizer.prefix_length("find it ") == 3
    assert tokenizer.prefix_length("") == 0


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200))
def test_batches_hold_every_row_once_within_the_budget_shortest_first(lengths: list[int], budget: int) -> None:
    tokens = ragged(lengths)
    batches = list(tokens.batches(budget))
    order = [int(row) for batch in batches for row in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[row] for row in order] == sorted(lengths)
    for batch in batches:
        assert len(batch) == 1 or sum(lengths[row] for row in batch) <= budget


def test_concatenates_several(encoder: Encoder) -> None:
    first, second = encoder.tokenize_queries(["one"]), encoder.tokenize_queries(["two words", "three more words"])
    joined = Tokens.concatenate([first, second])
    assert [joined[row].tolist() for row in range(3)] == [first[0].tolist(), second[0].tolist(), second[1].tolist()]
    assert joined.offsets.tolist() == [0, 3, 7, 12]
