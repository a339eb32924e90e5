"""What a step reads: the encoder's own token ids, drawn wordings, one column a text."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tart.documents import Document
from tart.encoder import Encoder
from tart.formats import PRESETS
from tart.models import ModelFolder
from tart_train.examples import DataError, Example, Negative
from tart_train.inputs import Collator, Drawing, TextInputs, check_wordings
from tart_train.mixture import Mixture
from tart_train.recipe import InputSettings
from tart_train.sampling import Draw
from tests.train.tiny import small_mixture, tiny_bert

SETTINGS = InputSettings(max_query_length=64, max_document_length=64)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("inputs") / "base")


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    return small_mixture(tmp_path_factory.mktemp("inputs") / "mixture")


@pytest.mark.parametrize("name", ["tart", "e5", "instructor", "plain"])
def test_training_reads_the_token_ids_that_the_encoder_reads(base: Path, name: str) -> None:
    encoder = Encoder.load(str(base), device="cpu", dtype="float32", threads=1, input_format=name)
    inputs = TextInputs(ModelFolder.open(str(base)), PRESETS[name], SETTINGS)
    queries, instructions = ["merge two dicts", "fever " * 90, "x"], ["Find a function", "Find causes", ""]
    documents = [Document("1", "text " * 100, "Title"), Document("2", "bare text")]
    ours = [inputs.queries(queries, instructions), inputs.documents(documents)]
    theirs = [encoder.tokenize_queries(queries, instructions, truncate=True), encoder.tokenize_documents(documents)]
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.ids.tolist() == wanted.ids.tolist()
        assert mine.offsets.tolist() == wanted.offsets.tolist()
        assert mine.skip.tolist() == wanted.skip.tolist()


def example(group: str = "") -> Example:
    negatives = (Negative("n1", "polarity"), Negative("n2", "hard", 0.2), Negative("n3", "random"))
    return Example("id", "faq", "a query", ("p1", "p2"), negatives, (), "task", group)


def test_the_draw_depends_on_seed_epoch_and_id_alone() -> None:
    drawing = Drawing({"faq": ["one", "two", "three"]}, InputSettings(no_instruction=0.35), 7)
    again = Drawing({"faq": ["one", "two", "three"]}, InputSettings(no_instruction=0.35), 7)
    rows = [drawing(example(), epoch) for epoch in range(2000)]
    assert [again(example(), epoch) for epoch in reversed(range(2000))] == rows[::-1]
    shares = Counter(row.instruction for row in rows)
    assert shares[""] / 2000 == pytest.approx(0.35, abs=0.04)
    assert all(shares[each] / 2000 == pytest.approx(0.65 / 3, abs=0.04) for each in ("one", "two", "three"))
    assert Counter(row.positive for row in rows)["p1"] / 2000 == pytest.approx(0.5, abs=0.05)
    drawn = Counter(row.negatives for row in rows if row.instruction)
    assert set(drawn) == {("n1",), ("n2",), ("n3",)}
    assert {row.negatives for row in rows if not row.instruction} == {("n2",), ("n3",)}


def test_rows_of_a_group_have_their_own_share_and_rows_their_own_wordings() -> None:
    drawing = Drawing({"faq": ["set"]}, InputSettings(no_instruction=1.0, no_instruction_contrast=0.0), 0)
    own = replace(example("g"), instructions=("mine",))
    assert drawing(own, 0).instruction == "mine"
    assert drawing(example(), 0).instruction == ""


def test_a_batch_holds_each_document_once(base: Path, mixture: Mixture) -> None:
    inputs = TextInputs(ModelFolder.open(str(base)), PRESETS["tart"], SETTINGS)
    settings = InputSettings(no_instruction=0.0, no_instruction_contrast=0.0, negatives_per_query=2)
    collator = Collator(mixture, inputs, Drawing(mixture.instructions, settings, 0))
    groups = mixture.column("group")
    rows = [row for row, group in enumerate(groups) if group == "topic-0"]
    batch = collator([Draw(row, 0) for row in rows])
    assert batch.queries == 3
    assert len(batch.texts) == 3 + 3
    assert sorted(batch.positives.tolist()) == [0, 1, 2]
    assert not batch.masked.any()
    assert batch.negatives.sum() == 6
    assert batch.grouped.all()
    assert not batch.bare.any()
    documents = mixture.documents([mixture[row].positives[0] for row in rows])
    wanted = inputs.documents(documents)
    for row in range(3):
        assert batch.texts[3 + int(batch.positives[row])].tolist() == wanted[row].tolist()


def test_the_miners_scores_stand_at_their_negatives(base: Path, mixture: Mixture) -> None:
    inputs = TextInputs(ModelFolder.open(str(base)), PRESETS["tart"], SETTINGS)
    collator = Collator(mixture, inputs, Drawing(mixture.instructions, InputSettings(no_instruction=0.0), 0))
    batch = collator([Draw(0, 0), Draw(1, 0)])
    assert np.isfinite(batch.teacher).sum() == 2
    assert {round(score, 3) for score in batch.teacher[batch.negatives].tolist()} <= {0.1, 0.4}


def test_negatives_are_drawn_from_as_many_kinds_as_there_are() -> None:
    negatives = tuple(Negative(f"{kind}{n}", kind) for kind in ("hard", "unfollowing") for n in range(3))
    row = replace(example(), negatives=negatives)
    drawing = Drawing({"faq": ["one"]}, InputSettings(no_instruction=0.0, negatives_per_query=2), 0)
    drawn = [drawing(row, epoch).negatives for epoch in range(200)]
    assert all({each[:-1] for each in two} == {"hard", "unfollowing"} for two in drawn)
    assert {each for two in drawn for each in two} == {each.id for each in negatives}
    every = Drawing({"faq": ["one"]}, InputSettings(no_instruction=0.0, negatives_per_query=9), 0)
    assert sorted(every(row, 0).negatives) == sorted(each.id for each in negatives)


def test_only_the_kinds_of_negatives_that_the_recipe_names_are_drawn() -> None:
    settings = InputSettings(no_instruction=0.0, negatives_per_query=9, negative_kinds=("hard", "random"))
    drawn = Drawing({"faq": ["one"]}, settings, 0)(example(), 0).negatives
    assert sorted(drawn) == ["n2", "n3"]
    none = replace(settings, negative_kinds=("judged",))
    assert Drawing({"faq": ["one"]}, none, 0)(example(), 0).negatives == ()


def test_a_set_without_wordings_and_a_wording_without_room_are_refused(
    base: Path, mixture: Mixture, tmp_path: Path
) -> None:
    inputs = TextInputs(ModelFolder.open(str(base)), PRESETS["tart"], SETTINGS)
    check_wordings(mixture, inputs)
    lacking = small_mixture(tmp_path / "lacking", instructions={"faq": ["Find it"]})
    with pytest.raises(DataError, match="the sets news have no instructions"):
        check_wordings(lacking, inputs)
    long = small_mixture(tmp_path / "long", instructions={"faq": ["word " * 60], "news": ["Find it"]})
    with pytest.raises(DataError, match=r"1 instructions leave fewer than 8 of 64 tokens"):
        check_wordings(long, inputs)
