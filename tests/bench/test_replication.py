"""The replication's pure parts, with values computed by hand: leaks, answers, splits, scoring, intervals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.select.cells import Cell, Result, Results
from bench.select.choices import Question, TrainingQuestions, label_sets, listed, scored_question
from bench.select.experiment import example_numbers
from bench.select.fine_tuned import TunedSettings, cut_middle
from bench.select.found import find, left_in
from bench.select.frozen import FrozenSettings, Head, Vectors, right_answers, to_batch, train_head
from bench.select.held_out import hold_out, split
from bench.select.intervals import over_datasets, over_seeds, paired
from bench.select.pool import PoolRow, family
from bench.select.tables import Part, bold, complete, found_table, parts, summary
from bench.select.wording import examples, own_passages, passages, shares_passage

torch.set_num_threads(1)
TOPICS = ("harbour ferry", "violin teacher", "desert lizard", "glass furnace", "mountain rescue", "paper archive")


def row(number: int, text: str, target: str, template: str = "t", dataset: str = "d") -> PoolRow:
    return PoolRow(f"r{number}", f"{dataset}_{template}", dataset, text, target)


def dataset_rows(dataset: str = "d", topics: tuple[str, ...] = TOPICS) -> list[PoolRow]:
    """Each topic under two templates of sentiment."""
    found = []
    for place, topic in enumerate(topics):
        label = "Yes" if place % 2 else "No"
        body = f"{topic} {dataset} {place}"
        found.append(row(len(found), f"Please read the review and say: {body}. Is it good?", label, "one", dataset))
        found.append(row(len(found), f"Did the customer enjoy this thing? {body}", label, "two", dataset))
    return [each._replace(id=f"{dataset}-{number}") for number, each in enumerate(found)]


def test_rows_of_one_example_are_found_under_every_template() -> None:
    assert examples(dataset_rows()).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_questions_about_one_passage_are_one_example() -> None:
    passage = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
    rows = [row(0, f"{passage} who", "x"), row(1, f"{passage} when", "x"), row(2, "quite another text here", "x")]
    # Three rows of a template: two of them hold the passage, so half of them would make it wording; one template each.
    rows = [each._replace(template=f"t{place}") for place, each in enumerate(rows)]
    assert examples(rows).tolist() == [0, 0, 1]


def test_a_templates_wording_is_no_leak_but_a_passage_is() -> None:
    wording = "say whether the following text is about sport or about the weather today"
    target = [
        row(number, f"{wording}: {topic} {topic} one two three four five", "x") for number, topic in enumerate(TOPICS)
    ]
    wanted = own_passages(target)
    assert not shares_passage(row(9, f"{wording}: nothing else in common", "x", dataset="other"), wanted)
    assert shares_passage(row(9, "Quote: HARBOUR ferry, harbour ferry; one two - three FOUR!", "x"), wanted)
    assert shares_passage(row(9, "summarise", "harbour ferry harbour ferry one two three four"), wanted)
    assert passages("one two three four five six seven") == set()


@pytest.mark.parametrize(
    ("text", "target", "answers"),
    [
        ("Q?\nOptions:\n- yes\n - no\n\n - maybe", "no", ("yes", "no", "maybe")),
        ("Process:\n- melt\n- freeze\n\nWhich?\n\n- more\n- less", "less", ("more", "less")),
        ('Choose between "ice" and  "snow".', "snow", ("ice", "snow")),
        ("(choices are scarce or plentiful ): ...", "scarce", ("scarce", "plentiful")),
        ("Possible answers: save money, work, quit", "work", ("save money", "work", "quit")),
        ("Q?\n- yes\n- no", "perhaps", None),
        ("Q?\n- yes", "yes", None),
        ("no list at all", "yes", None),
    ],
)
def test_answers_are_read_from_the_prompt(text: str, target: str, answers: tuple[str, ...] | None) -> None:
    assert listed(row(0, text, target)) == answers


def test_templates_of_one_wording_share_their_labels() -> None:
    rows = [row(0, "a", "bad", "said", "imdb"), row(1, "b", "good", "said", "rotten"), row(2, "c", "x", "one", "imdb")]
    assert label_sets(rows) == {"imdb_said": ("bad", "good"), "rotten_said": ("bad", "good")}


def test_answers_that_are_letters_are_not_scored() -> None:
    rows = [row(number, "pick", letter, "letters") for number, letter in enumerate("ABCA")]
    assert scored_question(rows, 0, label_sets(rows)) is None
    rows = dataset_rows()
    assert scored_question(rows, 2, label_sets(rows)) == Question(2, ("No", "Yes"), 1)


def test_wrong_answers_come_from_the_same_template() -> None:
    rows = [row(number, f"text {number}", f"answer {number}") for number in range(9)]
    rows += [row(20, "text", "elsewhere", "other"), row(21, "text", "only", "single")]
    training = TrainingQuestions(rows, {}, size=4)
    for number in range(9):
        question = training.question(number, seed=1)
        assert question is not None
        assert len(set(question.answers)) == len(question.answers)
        assert 2 <= len(question.answers) <= 4
        assert question.answers[question.right] == f"answer {number}"
        assert {"elsewhere", "only"}.isdisjoint(question.answers)
    assert training.question(3, seed=1) == training.question(3, seed=1)
    assert training.question(10, seed=1) is None


def test_held_out_removes_the_dataset_its_family_and_shared_passages() -> None:
    body = "the very long sentence that both of these datasets hold word for word"
    rows = dataset_rows("duorc_a")
    rows += [row(50, f"new {body}", "Yes", "one", "duorc_a"), row(51, "other text", "z", "one", "duorc_b")]
    rows += [row(52, f"copied {body} there", "z", "one", "free"), row(53, "unrelated", "z", "two", "free")]
    target = hold_out(rows, "duorc_a", label_sets(rows))
    assert family("duorc_b") == family("duorc_a") != family("free")
    assert [rows[number].id for number in target.pool] == ["r53"]
    assert target.removed == (14, 1)
    assert [question.row for question in target.questions] == list(range(13))


def test_no_example_is_on_both_sides() -> None:
    rows = dataset_rows(topics=tuple(f"{first} {second}" for first in TOPICS for second in ("north", "southern")))
    target = hold_out(rows, "d", label_sets(rows))
    for seed in range(5):
        asked, scored = split(target, seed, 100, 100)
        of_row = examples(rows)
        sides = [{int(of_row[question.row]) for question in side} for side in (asked, scored)]
        assert not sides[0] & sides[1]
        assert len(asked) + len(scored) == len(rows)
        assert abs(len(asked) - len(scored)) <= 4
    assert split(target, 0, 3, 5) == split(target, 0, 3, 5)
    assert [len(side) for side in split(target, 0, 3, 5)] == [3, 5]


def test_examples_of_two_datasets_are_never_one() -> None:
    rows = [*dataset_rows("d"), *dataset_rows("d")]
    rows = [each._replace(dataset="e") if place >= 12 else each for place, each in enumerate(rows)]
    numbers = example_numbers(rows)
    assert len(set(numbers[:12])) == 6
    assert set(numbers[:12]).isdisjoint(numbers[12:])


@pytest.fixture
def vectors() -> Vectors:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(60, 8)).astype(np.float32)
    answers = np.eye(8, dtype=np.float32)[:3]
    return Vectors(inputs / np.linalg.norm(inputs, axis=1, keepdims=True), answers, {"a": 0, "b": 1, "c": 2})


def test_an_untrained_head_chooses_by_cosine(vectors: Vectors) -> None:
    questions = [Question(0, ("a", "b"), 0), Question(1, ("a", "b", "c"), 1)]
    logits = Head(8, 4)(to_batch(questions, vectors)).detach()
    wanted = 20 * vectors.inputs[:2] @ vectors.answers.T
    np.testing.assert_allclose(logits[0, :2].numpy(), wanted[0, :2], rtol=1e-5)
    np.testing.assert_allclose(logits[1].numpy(), wanted[1], rtol=1e-5)
    assert logits[0, 2] == -torch.inf
    right = right_answers(Head(8, 4), questions, vectors)
    assert right.tolist() == [wanted[0, 0] > wanted[0, 1], wanted[1].argmax() == 1]


def test_equal_scores_are_not_right(vectors: Vectors) -> None:
    same = vectors._replace(answers=np.ones((3, 8), np.float32))
    assert right_answers(Head(8, 4), [Question(0, ("a", "b"), 0)], same).tolist() == [False]


def test_a_head_learns_what_the_cosine_has_wrong(vectors: Vectors) -> None:
    # The right answer is the one that the cosine likes less.
    questions = []
    for number in range(60):
        likes_a = vectors.inputs[number, 0] > vectors.inputs[number, 1]
        questions.append(Question(number, ("a", "b"), int(likes_a)))
    before = right_answers(Head(8, 4), questions, vectors).mean()
    settings = FrozenSettings(hidden=8, batch=16, steps=150, learning_rate=0.01)
    head = train_head(questions, np.arange(60), vectors, 0, settings)
    assert before == 0.0
    assert right_answers(head, questions, vectors).mean() > 0.9


def test_without_rows_the_head_stays_untrained(vectors: Vectors) -> None:
    head = train_head([], np.empty(0, np.int64), vectors, 0, FrozenSettings(hidden=4))
    assert not head.bilinear.any()
    assert not head.out.weight.any()


def test_a_long_input_loses_its_middle() -> None:
    assert cut_middle(list(range(5)), 6) == [0, 1, 2, 3, 4]
    assert cut_middle(list(range(10)), 6) == [0, 1, 6, 7, 8, 9]
    assert len(cut_middle(list(range(500)), TunedSettings().length)) == TunedSettings().length


def test_figures_are_means_of_means_with_paired_differences() -> None:
    values = {"x": {0: 60.0, 1: 70.0}, "y": {0: 50.0}}
    base = {"x": {0: 50.0, 1: 50.0}, "y": {1: 10.0}}
    assert over_datasets(values, "m").mean == (65 + 50) / 2
    assert over_seeds(values["x"], "x") == (65.0, 60.0, 70.0)
    assert paired(values, base) == {"x": {0: 10.0, 1: 20.0}}
    certain = over_datasets({"x": {0: 3.0}, "y": {0: 3.0}}, "m")
    assert certain == (3.0, 3.0, 3.0)
    assert bold(certain) == "**+3.0 [+3.0, +3.0]**"


def result(method: str, dataset: str, seed: int, accuracy: float) -> Result:
    return Result(Cell("frozen", 500, dataset, method, seed), accuracy, 100, 500, 1.0, {})


def test_tables_compare_only_cells_that_all_methods_have() -> None:
    found = [result("random", "x", 0, 0.5), result("deft", "x", 0, 0.6), result("random", "y", 0, 0.9)]
    [part] = parts(found)
    assert part.values == {"random": {"x": {0: 50.0}, "y": {0: 90.0}}, "deft": {"x": {0: 60.0}}}
    kept = complete(part)
    assert kept == Part("frozen", 500, {"random": {"x": {0: 50.0}}, "deft": {"x": {0: 60.0}}})
    text, figures = summary(kept)
    assert figures["deft"]["over_random"]["mean"] == pytest.approx(10.0)
    assert figures["deft"]["datasets_won"] == 1
    assert "| deft | 60.0 [60.0, 60.0] | **+10.0 [+10.0, +10.0]** | 1 of 1 |" in text


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    first = Results(file, {"sizes": {"asked": 250}})
    first.add(result("deft", "x", 0, 0.5))
    file.write_bytes(file.read_bytes() + b'{"cell": {"tier"')
    again = Results(file, {"sizes": {"asked": 250}})
    assert again.done == {Cell("frozen", 500, "x", "deft", 0): result("deft", "x", 0, 0.5)}
    again.add(result("deft", "x", 1, 0.7))
    assert [json.loads(line) for line in file.read_text().splitlines()][-1]["accuracy"] == 0.7
    with pytest.raises(SystemExit, match="other settings: sizes"):
        Results(file, {"sizes": {"asked": 10}})


def test_other_templates_left_in_are_of_other_examples() -> None:
    rows = [*dataset_rows("d"), *dataset_rows("e", ("quiet river", "steel bridge"))]
    of_row = examples(rows[:12])
    left = left_in(rows, "d", 3, 250)
    assert left is not None
    asked = {int(of_row[number]) for number in left.asked}
    assert {rows[number].template for number in left.asked}.isdisjoint(rows[number].template for number in left.same)
    assert asked.isdisjoint(int(of_row[number]) for number in left.same)
    assert len(left.asked) == len(left.same) == 3
    assert sorted({*left.same, *range(12, 16)}) == list(left.pool)


def test_what_was_found_is_compared_with_chance() -> None:
    rows = [*dataset_rows("d"), *dataset_rows("e", ("quiet river", "steel bridge"))]
    left = left_in(rows, "d", 0, 250)
    assert left is not None
    two = [min(left.same), 12, 13, 14]
    [found] = find(rows, "d", 0, ["deft"], lambda *_: two, 250, 4)
    assert found == ("d", 0, "deft", 1 / 4, 3 / 7, 1 / 3)
    text, figures = found_table([found])
    assert figures["d"]["share"] == {"deft": 25.0}
    assert "| d | 42.9 | 25.0 (33) |" in text
