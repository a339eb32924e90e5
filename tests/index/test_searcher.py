from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tart import Document, Encoder, InputFormat
from tart.errors import IndexFolderError, QueryError
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, SearchRequest, build_index

OPTIONS = BuildOptions(part_size=8, default_instruction="find words", prompts={"dates": "find dates"})


@pytest.fixture
def index(tmp_path: Path, counting: Encoder, documents: list[Document]) -> Path:
    build_index(Corpus.from_documents("documents", lambda: iter(documents)), tmp_path / "i", counting, OPTIONS)
    return tmp_path / "i"


@pytest.fixture
def searcher(index: Path, counting: Encoder) -> Searcher:
    return Searcher(IndexFolder.open(index), counting)


def ranked(searcher: Searcher, query: str, instruction: str) -> list[tuple[str, float]]:
    """Brute force, in the order of the corpus where scores are equal."""
    vector = searcher.encoder.encode_queries([query], [instruction])[0]
    scores = np.concatenate(searcher.folder.vectors) @ vector
    ids = list(searcher.folder.ids())
    return [(ids[row], float(scores[row])) for row in np.argsort(-scores, kind="stable")]


def test_hits_are_those_of_brute_force(searcher: Searcher, documents: list[Document]) -> None:
    result = searcher.search([SearchRequest("merge dictionaries", "find code", top_k=7)])[0]
    wanted = ranked(searcher, "merge dictionaries", "find code")[:7]
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4, 5, 6, 7]
    assert {hit.document.id for hit in result.hits} == {document_id for document_id, _ in wanted}
    assert [hit.score for hit in result.hits] == pytest.approx([score for _, score in wanted], abs=1e-6)
    by_id = {document.id: document for document in documents}
    assert all(hit.document == by_id[hit.document.id] for hit in result.hits)
    assert result.has_more


def test_requests_of_a_batch_do_not_touch_each_other(searcher: Searcher) -> None:
    requests = [
        SearchRequest("merge dictionaries", "find code", top_k=3),
        SearchRequest("merge dictionaries", "", top_k=5),
        SearchRequest("parse dates", top_k=20),
    ]
    together = searcher.search(requests)
    for request, result in zip(requests, together, strict=True):
        alone = searcher.search([request])[0]
        assert [hit.document.id for hit in result.hits] == [hit.document.id for hit in alone.hits]
        assert len(result.hits) == request.top_k
        assert result.has_more == (request.top_k < 20)


@pytest.mark.parametrize(
    ("request_", "applied"),
    [
        (SearchRequest("x"), "find words"),
        (SearchRequest("x", ""), ""),
        (SearchRequest("x", " find \n it "), "find it"),
        (SearchRequest("x", prompt_name="dates"), "find dates"),
    ],
)
def test_says_which_instruction_was_applied(searcher: Searcher, request_: SearchRequest, applied: str) -> None:
    assert searcher.search([request_])[0].instruction_applied == applied


def test_a_format_that_takes_no_instruction_applies_none(tmp_path: Path, counting: Encoder) -> None:
    counting.input_format = InputFormat("plain", query="{query}")
    build_index(Corpus.from_documents("one", lambda: [Document("a", "b")]), tmp_path / "i", counting)
    searcher = Searcher(IndexFolder.open(tmp_path / "i"), counting)
    assert searcher.search([SearchRequest("x", "find it")])[0].instruction_applied == ""


def test_pages_join_without_gap_or_overlap(searcher: Searcher) -> None:
    whole = searcher.search([SearchRequest("merge a list", top_k=20)])[0]
    pages = [searcher.search([SearchRequest("merge a list", top_k=6, offset=start)])[0] for start in (0, 6, 12, 18)]
    assert [hit for page in pages for hit in page.hits] == whole.hits
    assert [page.has_more for page in pages] == [True, True, True, False]
    assert searcher.search([SearchRequest("merge a list", offset=20)])[0].hits == []


def test_the_threshold_leaves_out_what_scores_less(searcher: Searcher) -> None:
    scores = [hit.score for hit in searcher.search([SearchRequest("merge a list", top_k=20)])[0].hits]
    result = searcher.search([SearchRequest("merge a list", top_k=20, score_threshold=scores[4])])[0]
    assert [hit.score for hit in result.hits] == [score for score in scores if score >= scores[4]]
    assert not result.has_more


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 0}, "top_k is 0"),
        ({"offset": -1}, "offset -1"),
        ({"top_k": 600, "offset": 401}, "together at most 1000"),
        ({"instruction": "a", "prompt_name": "b"}, "give one of them"),
    ],
)
def test_a_request_out_of_range_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        SearchRequest("x", **arguments)  # type: ignore[arg-type]


def test_an_unknown_prompt_is_named_with_those_there_are(searcher: Searcher) -> None:
    with pytest.raises(QueryError, match="no named instruction 'code' in this index; there are: dates"):
        searcher.search([SearchRequest("x", prompt_name="code")])


def test_no_requests_no_results(searcher: Searcher) -> None:
    assert searcher.search([]) == []


def test_tokens_are_counted(searcher: Searcher) -> None:
    # [CLS] find dates [SEP] merge [SEP]
    assert searcher.search([SearchRequest("merge", prompt_name="dates")])[0].tokens == 6


def test_another_models_index_is_refused(index: Path, encoder: Encoder, counting: Encoder) -> None:
    counting.fingerprint = "sha256:" + "0" * 64
    with pytest.raises(IndexFolderError, match=r"was built with model 'all-MiniLM-L6-v2'.*found 'all-MiniLM-L6-v2'"):
        Searcher(IndexFolder.open(index), counting)


def test_another_format_is_refused(index: Path, counting: Encoder) -> None:
    counting.input_format = InputFormat("other")
    with pytest.raises(IndexFolderError, match="built with input format 'tart', found 'other'"):
        Searcher(IndexFolder.open(index), counting)


def test_opening_loads_the_model_that_the_index_names(
    tmp_path: Path, encoder: Encoder, documents: list[Document]
) -> None:
    build_index(Corpus.from_documents("documents", lambda: iter(documents)), tmp_path / "i", encoder)
    opened = Searcher.open(tmp_path / "i", dtype="float32")
    assert opened.encoder.fingerprint == encoder.fingerprint
    text = documents[9].text
    assert opened.search([SearchRequest(text, "", top_k=1)])[0].hits[0].document.text == text
