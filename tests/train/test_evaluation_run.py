"""A whole evaluation in a small world: vectors are token counts, so that every figure can be computed anew."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tart import Document, Encoder
from tart.errors import QueryError
from tart_train.evaluation import EvaluationSettings, JudgedSet, evaluate
from tart_train.evaluation.compare import compare_folders
from tart_train.evaluation.judged_set import open_sets
from tart_train.evaluation.run import Evaluation
from tart_train.evaluation.write import write_evaluation
from tart_train.examples import DataError
from tart_train.instruction_table import InstructionTable, SetInstructions
from tests.index.counting import CountingEngine, counting_encoder, counting_engine
from tests.train.small_world import colours, fruit, tools, wordings, write_set

SETTINGS = EvaluationSettings(paraphrases=3, resamples=50, depth=100, rerank_depth=4)


@pytest.fixture
def engine() -> CountingEngine:
    return counting_engine()


@pytest.fixture
def counting(engine: CountingEngine) -> Encoder:
    return counting_encoder(engine)


@pytest.fixture
def sets(tmp_path: Path) -> list[JudgedSet]:
    return open_sets([tools(tmp_path / "data"), fruit(tmp_path / "data")])


@pytest.fixture
def contrasts(tmp_path: Path) -> list[JudgedSet]:
    return open_sets([colours(tmp_path / "contrast")])


def run(
    encoder: Encoder, sets: Sequence[JudgedSet], contrasts: Sequence[JudgedSet], out: Path, **settings: Any
) -> dict[str, Any]:
    evaluation = evaluate(encoder, sets, contrasts, out=out, **({"settings": SETTINGS} | settings))
    return write_evaluation(evaluation, out)


def ndcg(ranking: Sequence[str], grades: dict[str, int]) -> float:
    gained = sum(grades.get(one, 0) / math.log2(rank + 2) for rank, one in enumerate(ranking[:10]))
    ideal = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(sorted(grades.values(), reverse=True)[:10]))
    return gained / ideal


def rankings(encoder: Encoder, judged: JudgedSet, pool: Sequence[JudgedSet], instruction: str) -> Iterator[list[str]]:
    """Every query's ranking of a pool, by a plain sort; ids are unique in these worlds."""
    documents = [document for one in pool for document in one.documents()]
    vectors = encoder.encode_documents(documents)
    for query in judged.queries:
        scores = np.rint(encoder.encode_queries([query.text], [instruction])[0] @ vectors.T * 1e6)
        order = sorted(range(len(documents)), key=lambda row: (-scores[row], documents[row].id))
        yield [documents[row].id for row in order]


def test_every_figure_of_a_set_against_brute_force(counting: Encoder, sets: list[JudgedSet], tmp_path: Path) -> None:
    report = run(counting, sets, [], tmp_path / "out")
    for judged in sets:
        about = report["sets"][judged.name]
        words = about["instructions"]
        assert words["paraphrases"] == wordings(judged.card.unit, 3)
        assert words["wrong_from"] == ({"fruit", "tools"} - {judged.name}).pop()
        asked = {"bare": "", "right": words["paraphrases"][0], "wrong": words["wrong"]}
        asked |= {f"paraphrase-{number}": words["paraphrases"][number - 1] for number in (2, 3)}
        values: dict[str, list[float]] = {}
        for condition, instruction in asked.items():
            for scope, pool in (("closed", [judged]), ("pooled", sets)):
                found = list(rankings(counting, judged, pool, instruction))
                grades = [dict(judged.grades[query.id]) for query in judged.queries]
                values[f"{condition}/{scope}"] = [ndcg(one, graded) for one, graded in zip(found, grades, strict=True)]
                figures = about["figures"][condition][scope]
                assert figures["ndcg@10"]["value"] == pytest.approx(
                    100 * np.mean(values[f"{condition}/{scope}"]), abs=1e-3
                )
                in_five = [
                    any(graded.get(one, 0) > 0 for one in row[:5]) for row, graded in zip(found, grades, strict=True)
                ]
                assert figures["success@5"]["value"] == pytest.approx(100 * np.mean(in_five), abs=1e-3)
                assert figures["recall@100"]["value"] == 100
                if scope == "pooled":
                    strange = [sum(one not in judged.ids for one in row[:10]) / len(row[:10]) for row in found]
                    assert figures["wrong_task@10"]["value"] == pytest.approx(100 * np.mean(strange), abs=1e-3)
        same = np.array([values[f"{condition}/closed"] for condition in ("right", "paraphrase-2", "paraphrase-3")])
        figures = about["figures"]["paraphrases"]["closed"]
        assert figures["robustness@10"]["value"] == pytest.approx(100 * same.min(axis=0).mean(), abs=1e-3)
        assert figures["std"]["value"] == pytest.approx(100 * same.mean(axis=1).std(), abs=1e-3)
        gap = np.mean(values["right/closed"]) - np.mean(values["right/pooled"])
        assert about["figures"]["right"]["gap"]["value"] == pytest.approx(100 * gap, abs=1e-3)


def test_means_over_sets(counting: Encoder, sets: list[JudgedSet], tmp_path: Path) -> None:
    levels = {"fruit": "held-out task", "tools": "held-out category"}
    report = run(counting, sets, [], tmp_path / "out", levels=levels)
    both = [one["figures"]["right"]["closed"]["ndcg@10"]["value"] for one in report["sets"].values()]
    mean = report["mean"]["right"]["closed"]["ndcg@10"]
    assert mean["value"] == pytest.approx(np.mean(both), abs=1e-3)
    assert mean["low"] <= mean["value"] <= mean["high"]
    assert list(report["levels"]) == ["held-out category", "held-out task"]
    level = report["levels"]["held-out task"]
    assert level["sets"] == ["fruit"]
    assert (
        level["figures"]["right"]["closed"]["ndcg@10"]
        == report["sets"]["fruit"]["figures"]["right"]["closed"]["ndcg@10"]
    )


def test_a_contrast_set(counting: Encoder, contrasts: list[JudgedSet], tmp_path: Path) -> None:
    report = run(counting, [], contrasts, tmp_path / "out")
    figures = report["contrast"]["colours"]["figures"]
    # Token counts obey: the instruction's colour is a word of the wanted document.
    assert figures["pair_accuracy"]["value"] == 100
    assert figures["direction_accuracy"]["value"] == 100
    (judged,) = contrasts
    expected = []
    for a, b in (
        ("apple-red", "apple-green"),
        ("apple-green", "apple-red"),
        ("plum-red", "plum-green"),
        ("plum-green", "plum-red"),
    ):
        own, other = (
            next(rankings(counting, _only(judged, query), [judged], query_instruction(judged, query)))
            for query in (a, b)
        )
        (document,) = [one for one, grade in judged.grades[a].items() if grade]
        first, second = own.index(document) + 1, other.index(document) + 1
        expected.append(1 - first / second if first < second else second / first - 1)
    assert figures["p_mrr"]["value"] == pytest.approx(100 * np.mean(expected), abs=1e-3)
    assert report["sets"] == {}


def _only(judged: JudgedSet, query: str) -> JudgedSet:
    return JudgedSet(judged.source, judged.ids, tuple(one for one in judged.queries if one.id == query), judged.grades)


def query_instruction(judged: JudgedSet, query: str) -> str:
    return next(one.instruction or "" for one in judged.queries if one.id == query)


def test_a_second_run_embeds_nothing_and_says_the_same(
    counting: Encoder, engine: CountingEngine, sets: list[JudgedSet], contrasts: list[JudgedSet], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(counting, sets, contrasts, out)
    first = {file.name: file.read_bytes() for file in out.iterdir() if file.is_file()}
    assert set(first) == {"report.json", "report.md", "report.html", "per_query.json"}
    embedded = engine.texts
    run(counting, list(sets), contrasts, out)
    assert engine.texts == embedded
    again = {file.name: file.read_bytes() for file in out.iterdir() if file.is_file()}
    reports = [json.loads(files.pop("report.json")) for files in (first, again)]
    assert [report.pop("seconds").keys() for report in reports]
    assert reports[0] == reports[1]
    assert first == again


def test_an_interrupted_run_goes_on_where_it_stopped(
    counting: Encoder, engine: CountingEngine, sets: list[JudgedSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = Encoder.encode_queries

    def failing(self: Encoder, *given: Any, **named: Any) -> NDArray[np.float32]:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, *given, **named)

    monkeypatch.setattr(Encoder, "encode_queries", failing)
    with pytest.raises(KeyboardInterrupt):
        run(counting, sets, [], tmp_path / "out")
    assert not (tmp_path / "out" / "report.json").exists()
    before = engine.texts
    monkeypatch.setattr(Encoder, "encode_queries", real)
    report = run(counting, sets, [], tmp_path / "out")
    # Bare, wrong and three wordings of the two questions of the second set.
    assert engine.texts - before == 10
    fresh = run(counting, sets, [], tmp_path / "fresh")
    assert report["sets"] == fresh["sets"]


def test_without_a_cache_nothing_stays(counting: Encoder, sets: list[JudgedSet], tmp_path: Path) -> None:
    run(counting, sets, [], tmp_path / "out", cache=False)
    assert not list((tmp_path / "out").glob("**/*.npy"))
    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir() and path.name != "runs"]


def test_the_cache_knows_a_changed_document(
    counting: Encoder, engine: CountingEngine, sets: list[JudgedSet], tmp_path: Path
) -> None:
    run(counting, sets, [], tmp_path / "out")
    before = engine.texts
    corpus = sets[1].source.path / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace("red pen", "blue pen"))
    run(counting, sets, [], tmp_path / "out")
    assert engine.texts - before == 3


def test_run_files_hold_the_rankings(counting: Encoder, sets: list[JudgedSet], tmp_path: Path) -> None:
    run(counting, sets, [], tmp_path / "out")
    files = {file.name for file in (tmp_path / "out" / "runs").iterdir()}
    assert len(files) == 12
    rows = [line.split() for line in (tmp_path / "out" / "runs" / "fruit.bare.pooled.trec").read_text().splitlines()]
    assert len(rows) == 3 * 8
    expected = next(rankings(counting, sets[0], sets, ""))
    assert [row[2].rpartition("/")[2] for row in rows[:8]] == expected
    assert all(row[2].startswith("tools/") == ("tools" in row[2]) for row in rows)
    scores = [float(row[4]) for row in rows[:8]]
    # trec_eval reads scores and not ranks: no two may be equal.
    assert all(first > second for first, second in pairwise(scores))
    assert [row[3] for row in rows[:8]] == [str(rank) for rank in range(1, 9)]


class LongestFirst:
    """A reranker that knows only lengths, and takes no more than three words of query."""

    name = "longest"
    fingerprint = "sha256:longest"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def score_many(self, requests: Sequence[tuple[str, str, Sequence[Document]]]) -> list[NDArray[np.float32]]:
        for query, instruction, _ in requests:
            if len(query.split()) > 3:
                raise QueryError("too long")
            self.asked.append((query, instruction))
        return [np.array([len(one.text) for one in documents], np.float32) for _, _, documents in requests]


def test_a_reranker_orders_the_top_anew(
    counting: Encoder, sets: list[JudgedSet], contrasts: list[JudgedSet], tmp_path: Path
) -> None:
    reranker = LongestFirst()
    evaluation = evaluate(counting, sets, contrasts, out=tmp_path, settings=SETTINGS, reranker=reranker)
    report = write_evaluation(evaluation, tmp_path)
    judged = sets[0]
    instruction = report["sets"]["fruit"]["instructions"]["paraphrases"][0]
    texts = {document.id: document.text for document in judged.documents()}
    expected = []
    for query, ranking in zip(judged.queries, rankings(counting, judged, [judged], instruction), strict=True):
        top = sorted(ranking[:4], key=lambda one: (-len(texts[one]), one))
        expected.append(ndcg(top, dict(judged.grades[query.id])))
    figures = report["sets"]["fruit"]["figures"]
    assert figures["right+rerank"]["closed"]["ndcg@10"]["value"] == pytest.approx(100 * np.mean(expected), abs=1e-3)
    assert "gap" in figures["wrong+rerank"]
    # The same lengths whatever is asked: a reranker that does not read instructions.
    assert report["contrast"]["colours"]["figures"]["pair_accuracy"]["value"] == 0
    assert report["contrast"]["colours"]["figures"]["p_mrr"]["value"] == 0
    assert report["reranker"]["name"] == "longest"
    # A question of four words lost its last ones.
    assert ("which apple", instruction) in reranker.asked
    assert "right+rerank" in (tmp_path / "report.md").read_text()


def test_a_limit_keeps_the_same_queries_and_whole_groups(sets: list[JudgedSet], contrasts: list[JudgedSet]) -> None:
    assert len(sets[0].limited(2).queries) == 2
    assert sets[0].limited(2).queries == sets[0].limited(2).queries
    (one,) = sets[0].limited(1).queries
    assert one in sets[0].limited(2).queries
    assert len(contrasts[0].limited(1).queries) == 2


def test_queries_with_their_own_instructions_need_no_wordings(counting: Encoder, tmp_path: Path) -> None:
    own = write_set(
        tmp_path / "own",
        {"a": "red apple", "b": "green pear"},
        {"q": {"text": "apple", "instruction": "find a red one"}, "none": {"text": "x", "instruction": "y"}},
        {"q": {"a": 1}, "none": {"b": 0}},
    )
    report = run(counting, open_sets([own]), [], tmp_path / "out")
    about = report["sets"]["own"]
    # The query without a relevant document is left out.
    assert (about["queries"], about["instructions"]["paraphrases"]) == (1, [])
    assert about["instructions"]["wrong_from"] == ""
    assert "std" not in about["figures"]["paraphrases"]["closed"]
    assert about["figures"]["right"]["closed"]["ndcg@10"]["value"] == 100


def test_wordings_of_the_table_and_of_facets(counting: Encoder, tmp_path: Path) -> None:
    folder = write_set(
        tmp_path / "sides",
        {"a": "for it", "b": "against it"},
        {side: {"text": "it", "metadata": {"side": side}} for side in ("pro", "con")},
        {"pro": {"a": 1, "b": 0}, "con": {"a": 0, "b": 1}},
        facet_field="side",
    )
    facets = {"pro": ("for",), "con": ("against",)}
    table = InstructionTable({"sides": SetInstructions("sides", (), ("arguments {facet}",), facets)})
    report = run(counting, [], open_sets([folder]), tmp_path / "out", table=table)
    assert report["contrast"]["sides"]["examples"] == ["arguments against", "arguments for"]
    assert report["contrast"]["sides"]["figures"]["pair_accuracy"]["value"] == 100
    less = InstructionTable({"sides": SetInstructions("sides", (), ("arguments {facet}",), {"pro": ("for",)})})
    with pytest.raises(DataError, match="the side 'con', which no phrase stands for"):
        run(counting, [], open_sets([folder]), tmp_path / "out", table=less)


def test_what_cannot_be_evaluated_is_said_before_anything_is_embedded(
    counting: Encoder, engine: CountingEngine, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    none = open_sets([fruit(data, "none", held_out_instructions=[])])
    with pytest.raises(DataError, match="set 'none' has no instructions"):
        run(counting, none, [], tmp_path / "out")
    plain = open_sets([fruit(data, "plain")])
    with pytest.raises(DataError, match="contrast set 'plain': found no group"):
        run(counting, [], plain, tmp_path / "out")
    with pytest.raises(DataError, match="levels file says nothing of plain"):
        run(counting, plain, [], tmp_path / "out", levels={"other": "held-out task"})
    with pytest.raises(DataError, match="nothing to evaluate"):
        run(counting, [], [], tmp_path / "out")
    assert engine.texts == 0


def test_judgments_that_name_what_is_not_there(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "bad", {"a": "a"}, {"q": "q"}, {"q": {"a": 1, "gone": 1}, "nobody": {"a": 1}})
    with pytest.raises(DataError, match=r"document 'gone', which is not in the corpus; .* query 'nobody'"):
        JudgedSet.open(folder)
    with pytest.raises(DataError, match="two sets are named 'fruit'"):
        open_sets([fruit(tmp_path / "one"), fruit(tmp_path / "two")])


def test_two_evaluations_side_by_side(counting: Encoder, sets: list[JudgedSet], tmp_path: Path) -> None:
    run(counting, sets, [], tmp_path / "a")
    run(counting, sets, [], tmp_path / "b", settings=EvaluationSettings(paraphrases=1, resamples=50))
    comparison = compare_folders(tmp_path / "a", tmp_path / "b", permutations=200)
    rows = comparison["sets"]["right/closed/ndcg@10"]
    assert [row["name"] for row in rows] == ["fruit", "tools", "mean"]
    assert all(row["difference"] == 0 and row["p"] == 1 for row in rows)
    robust = comparison["sets"]["paraphrases/closed/robustness@10"]
    # One wording is never worse than the worst of three.
    assert all(row["difference"] >= 0 for row in robust)
    limited = EvaluationSettings(paraphrases=1, resamples=50, limit_queries=2)
    run(counting, sets, [], tmp_path / "c", settings=limited)
    with pytest.raises(DataError, match="different queries"):
        compare_folders(tmp_path / "a", tmp_path / "c")
    run(counting, open_sets([fruit(tmp_path / "more", "alone")]), [], tmp_path / "d")
    with pytest.raises(DataError, match="no set in common"):
        compare_folders(tmp_path / "a", tmp_path / "d")
    with pytest.raises(DataError, match="wanted a folder that `tart eval run` wrote"):
        compare_folders(tmp_path / "a", tmp_path / "nowhere")


def test_the_page_stands_alone(
    counting: Encoder, sets: list[JudgedSet], contrasts: list[JudgedSet], tmp_path: Path
) -> None:
    evaluation: Evaluation = evaluate(counting, sets, contrasts, out=tmp_path, settings=SETTINGS)
    write_evaluation(evaluation, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "src=" not in page
    assert "<script" not in page
    assert "colours" in (tmp_path / "report.md").read_text()
