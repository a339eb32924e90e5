from __future__ import annotations

import math

import pytest

from tart import Document
from tart.errors import SourceError


def test_keeps_what_it_was_given() -> None:
    document = Document("a", "text", "title", {"n": 1, "tags": ["x", None], "ok": True})
    assert (document.id, document.text, document.title) == ("a", "text", "title")
    assert document.metadata == {"n": 1, "tags": ["x", None], "ok": True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "text"), "empty id"),
        (("a", " \n"), "no text"),
        (("a", "t", "", {"k": {"nested": 1}}), "holds a dict"),
        (("a", "t", "", {"k": [["nested"]]}), "holds a list"),
        (("a", "t", "", {"k": math.nan}), "wanted a finite number"),
    ],
)
def test_refuses_what_cannot_be_indexed(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        Document(*arguments)  # type: ignore[arg-type]
