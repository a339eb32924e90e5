from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tart import Document, Encoder
from tart.readers import ReadReport
from tart_index import Corpus, IndexFolder, build_index
from tart_index.demo import Question, ndcg, questions, self_check, standard_library


def pair(name: str, docstring: str, code: str) -> list[Document]:
    def metadata(kind: str) -> dict[str, object]:
        return {"kind": kind, "module": "m", "name": name}

    return [
        Document(f"code:m.{name}", code, metadata=metadata("code")),  # type: ignore[arg-type]
        Document(f"doc:m.{name}", f"def {name}()\n{docstring}", metadata=metadata("documentation")),  # type: ignore[arg-type]
    ]


SOURCES = [
    Document("module:m", "A module.", metadata={"kind": "module", "module": "m", "name": "m"}),
    *pair("f", "Merge two dicts\ninto one.\n\nMore.", "def f(a, b): return {**a, **b}"),
    *pair("g", "Sort a list.", "def g(a): return sorted(a)"),
    *pair("h", "Sort a list.", "def h(a): a.sort()"),
    *pair("i", "Return self.", "def i(self): return self"),
]


def test_summaries_ask_for_their_code_and_equal_ones_are_one_question() -> None:
    assert questions(SOURCES, limit=10) == [
        Question("Merge two dicts into one.", frozenset({1})),
        Question("Sort a list.", frozenset({3, 5})),
    ]


def test_a_sample_is_the_same_each_time() -> None:
    assert len(questions(SOURCES, limit=1)) == 1
    assert questions(SOURCES, limit=1) == questions(SOURCES, limit=1)


@pytest.mark.parametrize(
    ("found", "relevant", "wanted"),
    [
        ([7, 8, 9], {7}, 1.0),
        ([8, 7, 9], {7}, 1 / math.log2(3)),
        ([8, 9], {7}, 0.0),
        ([7, 8, 9], {7, 9}, (1 + 1 / 2) / (1 + 1 / math.log2(3))),
    ],
)
def test_ndcg_by_hand(found: list[int], relevant: set[int], wanted: float) -> None:
    assert ndcg(found, frozenset(relevant)) == pytest.approx(wanted)


def test_the_self_check_is_brute_force(tmp_path: Path, counting: Encoder) -> None:
    build_index(Corpus.from_documents("m", lambda: SOURCES), tmp_path / "i", counting)
    folder = IndexFolder.open(tmp_path / "i")
    asked = questions(SOURCES, limit=10)
    bare = self_check(folder, counting, asked)[0]
    scores = counting.encode_queries([q.text for q in asked]) @ counting.encode_documents(SOURCES).T
    code = [1, 3, 5, 7]
    closed, pooled = [], []
    for row, question in zip(scores, asked, strict=True):
        closed.append(ndcg([code[i] for i in np.argsort(-row[code], kind="stable")], question.rows))
        pooled.append(ndcg(np.argsort(-row, kind="stable")[:10].tolist(), question.rows))
    assert (bare.closed, bare.pooled) == pytest.approx((np.mean(closed), np.mean(pooled)))


def test_the_standard_library_gives_thousands_of_pairs() -> None:
    documents = list(standard_library().documents(ReadReport()))
    kinds = {kind: sum(d.metadata["kind"] == kind for d in documents) for kind in ("code", "documentation", "module")}
    assert kinds["code"] == kinds["documentation"] > 2_000
    assert kinds["module"] > 100
    rmtree = next(d for d in documents if d.id == "doc:shutil.rmtree")
    assert "Recursively delete a directory tree" in rmtree.text
    code = next(d for d in documents if d.id == "code:shutil.rmtree")
    assert "Recursively delete a directory tree" not in code.text
    assert {"file": "shutil.py", "module": "shutil", "name": "rmtree"}.items() <= code.metadata.items()
    assert len(questions(documents, limit=500)) == 500
