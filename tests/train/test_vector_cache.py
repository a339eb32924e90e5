"""Vectors are computed once per text, and a torn cache is mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tart.documents import Document
from tart_train import vector_cache
from tart_train.vector_cache import VectorCache
from tests.train.mining_sets import WordEncoder

DOCUMENTS = [Document(f"d{number}", f"word{number} and more", f"t{number % 3}") for number in range(10)]


def test_gives_what_the_encoder_gives_and_asks_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_cache, "WINDOW", 4)
    encoder, seen = WordEncoder(), list[int]()
    cache = VectorCache(tmp_path, encoder, seen.append)
    found = cache.documents([*DOCUMENTS, DOCUMENTS[0]])
    np.testing.assert_allclose(found[:10], WordEncoder().encode_documents(DOCUMENTS), atol=2e-3)
    np.testing.assert_array_equal(found[10], found[0])
    assert (encoder.embedded, seen) == (10, [4, 4, 2])
    np.testing.assert_array_equal(VectorCache(tmp_path, encoder).documents(DOCUMENTS[::-1]), found[9::-1])
    assert encoder.embedded == 10
    assert cache.documents([]).shape == (0, 48)


def test_a_query_is_not_a_document_and_long_texts_are_cut(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, WordEncoder())
    cache.queries(["a b"])
    cache.documents([Document("d", "a b")])
    assert len(cache) == 2
    cache.documents([Document("d", "a " * 1_000), Document("e", "a " * 2_000)])
    assert len(cache) == 3


def test_goes_on_after_a_crash_and_beside_another_process(tmp_path: Path) -> None:
    encoder = WordEncoder()
    whole = VectorCache(tmp_path, encoder).documents(DOCUMENTS)
    for name, cut in (("keys.bin", 7), ("vectors.f16", 5)):
        file = next(tmp_path.glob(f"*/{name}"))
        file.write_bytes(file.read_bytes()[:-cut])
    first, second = VectorCache(tmp_path, encoder), VectorCache(tmp_path, encoder)
    assert len(first) == 9
    np.testing.assert_array_equal(first.documents(DOCUMENTS), whole)
    np.testing.assert_array_equal(second.documents(DOCUMENTS), whole)
    assert len(VectorCache(tmp_path, encoder)) == 10
