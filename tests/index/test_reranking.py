from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tart import Document, Encoder, InputFormat, Reranker
from tart.__main__ import tart
from tart.errors import ModelError, QueryError
from tart_index import BuildOptions, Corpus, IndexFolder, RerankingSearcher, Searcher, SearchRequest, build_index
from tart_index.filters import parse_filter
from tests.tiny_models import tiny_encoder, tiny_reranker

QUERY, INSTRUCTION = "merge dictionaries", "find code"
# Scores of single pairs under the two, by document.
ALONE: dict[str, float] = {}
EVEN = parse_filter({"type": "eq", "key": "even", "value": True})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("models")
    return tiny_reranker(home / "reranker", tiny_encoder(home / "base"))


@pytest.fixture(scope="module")
def reranker(folder: Path) -> Reranker:
    return Reranker.load(str(folder), dtype="float32")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder, documents: list[Document]) -> Path:
    """Twenty documents, and two that differ in their id alone."""
    path = tmp_path_factory.mktemp("index") / "i"
    twins = [Document(name, "merge two dictionaries", metadata={"even": True}) for name in ("z", "a")]
    corpus = Corpus.from_documents("documents", lambda: iter([*documents, *twins]))
    build_index(corpus, path, encoder, BuildOptions(part_size=8, prompts={"code": INSTRUCTION}))
    return path


@pytest.fixture(scope="module")
def searcher(index: Path, encoder: Encoder) -> Searcher:
    return Searcher(IndexFolder.open(index), encoder)


def brute_force(
    searcher: Searcher, reranker: Reranker, request: SearchRequest, depth: int
) -> list[tuple[str, float, float]]:
    """Ids, scores and retrieval scores of the whole reranked list, one pair at a time."""
    wanted = SearchRequest(request.query, request.instruction, top_k=depth, filter=request.filter)
    found = searcher.search([wanted])[0].hits
    for hit in found:
        if hit.document.id not in ALONE:
            ALONE[hit.document.id] = float(reranker.score(QUERY, INSTRUCTION, [hit.document])[0])
    rows = [(hit.document.id, ALONE[hit.document.id], hit.score) for hit in found]
    return sorted(rows, key=lambda row: (-round(row[1], 6), row[0]))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    depth=st.integers(1, 25),
    page=st.tuples(st.integers(1, 25), st.integers(0, 24)),
    filtered=st.booleans(),
    threshold=st.none() | st.floats(0, 1),
)
def test_hits_are_those_of_brute_force(
    searcher: Searcher,
    reranker: Reranker,
    depth: int,
    page: tuple[int, int],
    filtered: bool,
    threshold: float | None,
) -> None:
    top_k, offset = page
    request = SearchRequest(
        QUERY,
        INSTRUCTION,
        top_k=top_k,
        offset=offset,
        score_threshold=threshold,
        filter=EVEN if filtered else None,
    )
    reranking = RerankingSearcher(searcher, reranker, depth)
    if top_k + offset > depth:
        with pytest.raises(QueryError, match=f"only the best {depth} hits are reranked"):
            reranking.search([request])
        return
    whole = brute_force(searcher, reranker, request, depth)
    if threshold is not None:
        if any(abs(score - threshold) < 1e-5 for _, score, _ in whole):
            return
        whole = [row for row in whole if row[1] >= threshold]
    result = reranking.search([request])[0]
    wanted = whole[offset : offset + top_k]
    assert [hit.rank for hit in result.hits] == list(range(offset + 1, offset + 1 + len(wanted)))
    assert [hit.document.id for hit in result.hits] == [row[0] for row in wanted]
    assert [hit.score for hit in result.hits] == pytest.approx([row[1] for row in wanted], abs=1e-5)
    assert [hit.retrieval_score for hit in result.hits] == pytest.approx([row[2] for row in wanted], abs=1e-5)
    assert result.has_more == (len(whole) > offset + top_k)


def test_equal_scores_stand_in_the_order_of_their_ids(searcher: Searcher, reranker: Reranker) -> None:
    hits = RerankingSearcher(searcher, reranker).search([SearchRequest(QUERY, "", top_k=22)])[0].hits
    twins = [hit for hit in hits if hit.document.id in "az"]
    assert [hit.document.id for hit in twins] == ["a", "z"]
    assert twins[0].score == twins[1].score
    assert twins[0].rank + 1 == twins[1].rank


def test_requests_of_a_batch_do_not_touch_each_other(searcher: Searcher, reranker: Reranker) -> None:
    requests = [
        SearchRequest(QUERY, INSTRUCTION, top_k=3),
        SearchRequest("parse dates", prompt_name="code", top_k=5, filter=EVEN),
        SearchRequest("parse dates", "", top_k=2, offset=4),
    ]
    reranking = RerankingSearcher(searcher, reranker, 8)
    answers = reranking.answer([reranking.prepare(request) for request in requests])
    assert answers.timing.rerank is not None
    for request, result in zip(requests, answers.results, strict=True):
        alone = reranking.search([request])[0]
        assert [hit.document.id for hit in result.hits] == [hit.document.id for hit in alone.hits]
        assert (result.has_more, len(result.hits)) == (True, request.top_k)
        assert result.instruction_applied == searcher.instruction_for(request).text
    assert reranking.answer([]).results == []


def test_the_reranker_reads_an_instruction_that_the_encoder_does_not_take(
    tmp_path: Path, counting: Encoder, reranker: Reranker, documents: list[Document]
) -> None:
    counting.input_format = InputFormat("plain", query="{query}")
    build_index(Corpus.from_documents("some", lambda: iter(documents)), tmp_path / "i", counting)
    plain = Searcher(IndexFolder.open(tmp_path / "i"), counting)
    result = RerankingSearcher(plain, reranker).search([SearchRequest(QUERY, INSTRUCTION, top_k=20)])[0]
    scores = reranker.score(QUERY, INSTRUCTION, [hit.document for hit in result.hits])
    assert np.abs(scores - [hit.score for hit in result.hits]).max() < 1e-6
    assert result.instruction_applied == INSTRUCTION


def test_a_query_that_the_reranker_cannot_read_is_refused_before_the_batch(
    searcher: Searcher, reranker: Reranker
) -> None:
    with pytest.raises(QueryError, match="of the reranker's 96 tokens"):
        RerankingSearcher(searcher, reranker).prepare(SearchRequest("word " * 120))


@pytest.mark.parametrize("depth", [0, 1001])
def test_a_depth_out_of_range_is_refused(searcher: Searcher, reranker: Reranker, depth: int) -> None:
    with pytest.raises(QueryError, match=f"the rerank depth is {depth}; wanted 1 to 1000"):
        RerankingSearcher(searcher, reranker, depth)


def run(*arguments: object, stdin: str | None = None) -> Result:
    given = [str(argument) for argument in (*arguments, "--dtype", "float32")]
    return CliRunner().invoke(tart, given, input=stdin)


def test_the_command_reranks(index: Path, folder: Path, searcher: Searcher, reranker: Reranker) -> None:
    options = ("--rerank", folder, "--rerank-depth", 6, "-k", 3, "-i", INSTRUCTION)
    wanted = RerankingSearcher(searcher, reranker, 6).search([SearchRequest(QUERY, INSTRUCTION, top_k=3)])[0].hits
    one = run("search", index, QUERY, "--json", *options)
    lines = run("search", index, "-", *options, stdin=json.dumps({"query": QUERY}) + "\n")
    for result in (one, lines):
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)["data"]
        assert [hit["id"] for hit in found] == [hit.document.id for hit in wanted]
        assert [hit["score"] for hit in found] == pytest.approx([hit.score for hit in wanted], abs=1e-5)
        assert [hit["retrieval_score"] for hit in found] == pytest.approx(
            [hit.retrieval_score for hit in wanted], abs=1e-5
        )


def test_the_command_says_what_is_no_reranker(index: Path) -> None:
    result = run("search", index, QUERY, "--rerank", "all-MiniLM-L6-v2")
    assert isinstance(result.exception, ModelError)
    assert "scores no pairs" in str(result.exception)
