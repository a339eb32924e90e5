"""Cutting a text to so many tokens, as the model's own tokenizer counts them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tart import Encoder
from tart.models import locate
from tart.tokens import first_tokens


@pytest.fixture(scope="module")
def fast() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(locate("all-MiniLM-L6-v2") / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@pytest.mark.parametrize(
    ("text", "count", "start"),
    [
        ("merge two dicts", 2, "merge two"),
        ("merge two dicts", 3, "merge two di"),
        ("merge two dicts", 4, "merge two dicts"),
        ("Merge, two", 2, "Merge,"),
        ("日本 \U0001f600 ö", 1, "日"),
        ("list " * 1_000, 3, "list list list"),
        ("x" * 5_000 + " a", 1, "x" * 5_000),
        ("  ", 1, "  "),
    ],
)
def test_a_text_is_cut_behind_its_last_token(fast: Tokenizer, text: str, count: int, start: str) -> None:
    assert first_tokens(fast, text, count) == start


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=200), count=st.integers(1, 20))
def test_the_start_holds_the_text_s_first_tokens(fast: Tokenizer, text: str, count: int) -> None:
    cut = first_tokens(fast, text, count)
    whole = fast.encode(text, add_special_tokens=False)
    assert text.startswith(cut)
    assert (cut == text) == (len(whole.ids) <= count or whole.offsets[count - 1][1] == len(text))
    if cut != text:
        assert len(cut) == whole.offsets[count - 1][1]


def test_an_encoder_cuts_below_its_own_limit_only(encoder: Encoder) -> None:
    text = "list " * 400
    assert encoder.first_tokens(text, 255) == ("list " * 255).strip()
    assert encoder.first_tokens(text, 256) == text
