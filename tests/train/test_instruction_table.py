from __future__ import annotations

import re
from pathlib import Path

import pytest

from tart.normal import normalised
from tart_train.card import Card
from tart_train.dataset import Query
from tart_train.examples import DataError
from tart_train.instruction_table import LONGEST, InstructionTable, SetInstructions, read_instructions

TABLE = InstructionTable.packaged()
TRAINED = [found for found in TABLE if found.train]
DATA = Path(__file__).parents[3] / "shared" / "data"


def test_the_packaged_table_has_every_set() -> None:
    assert (len(TABLE), len(TRAINED)) == (73, 58)


@pytest.mark.parametrize("found", TABLE, ids=lambda found: found.dataset)
def test_each_set_has_enough_wordings_that_differ_in_length(found: SetInstructions) -> None:
    assert len(found.held_out) >= 10
    assert not found.train or len(found.train) >= 8
    for wordings in filter(None, (found.train, found.held_out)):
        lengths = [len(wording.split()) for wording in wordings]
        assert min(lengths) <= 6
        assert 2 * min(lengths) < 14 <= max(lengths) <= LONGEST
        assert any("?" in wording for wording in wordings)
        assert any(re.match("(I|I'm|I'd|I've|My) ", wording) for wording in wordings)
    assert all(3 <= len(phrases) <= 6 for phrases in found.facets.values())


def test_no_wording_stands_twice_in_all_sets() -> None:
    every = [normalised(wording) for found in TABLE for wording in (*found.train, *found.held_out)]
    assert len(every) == len(set(every)) == 1211


def test_no_wording_is_a_name_or_has_a_loose_end() -> None:
    for found in TABLE:
        for wording in (*found.train, *found.held_out):
            assert wording == " ".join(wording.split())
            assert not re.search(r"[_.]$|\.\.|\(|;$|,$", wording), wording


def test_facets_fill_the_wordings() -> None:
    found = SetInstructions("s", ("Find {facet}",), ("{facet} only",), {"a": ("its causes", "why"), "b": ("signs",)})
    assert found.wordings("train", "a") == ("Find its causes", "Find why")
    assert found.wordings("held_out", "b") == ("signs only",)
    for facet in (None, "c"):
        with pytest.raises(DataError, match="need a facet"):
            found.wordings("train", facet)


def test_the_instructions_of_a_query() -> None:
    found = SetInstructions("s", ("Find {facet}",), ("{facet} only",), {"a": ("causes",)})
    card = Card("s", facet_field="aspect")
    assert found.for_query(Query("q", "flu", {"aspect": "a"}), card, "train") == ("Find causes",)
    assert found.for_query(Query("q", "flu", {"aspect": "a"}, "my own"), card, "train") == ("my own",)
    with pytest.raises(DataError, match=r"query 'q': .* none was given"):
        found.for_query(Query("q", "flu"), card, "train")
    plain = SetInstructions("s", ("Find it",))
    assert plain.for_query(Query("q", "flu"), Card("s"), "train") == ("Find it",)


def test_facet_sets_know_the_facets_of_their_queries() -> None:
    assert set(TABLE.for_set("debate_stance").facets) == {"for", "against"}
    filled = TABLE.for_set("medquad_facets").wordings("train", "exams and tests")
    assert "Find the health passage on how it is diagnosed for this condition" in filled
    assert len(filled) == len(set(filled)) == 27


def test_a_card_takes_the_place_of_the_table() -> None:
    own = TABLE.for_card(Card("boolq", instructions=("Find my thing",)))
    assert own.train == ("Find my thing",)
    assert own.held_out == TABLE.for_set("boolq").held_out
    assert TABLE.for_card(Card("boolq")) == TABLE.for_set("boolq")
    assert TABLE.for_card(Card("new", held_out_instructions=("x",))) == SetInstructions("new", (), ("x",))
    with pytest.raises(DataError, match="no instructions for the set 'new'"):
        TABLE.for_card(Card("new"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [a]", "wanted the keys dataset"),
        ("- a", "wanted the keys dataset"),
        ("dataset: [", "is no YAML"),
        ("dataset: s\nextra: 1", "no key 'extra'"),
        ("dataset: s\ntrain: word", "want a list"),
        ("dataset: s\ntrain: ['']", "found the instruction ''"),
        ("dataset: s\ntrain: [nan]", "found the instruction 'nan'"),
        ("dataset: s\ntrain: [.nan]", "found the instruction nan"),
        ("dataset: s\ntrain: [null]", "found the instruction None"),
        ("dataset: s\ntrain: [Find it]\nheld_out: [find  IT.]", "stands twice"),
        ("dataset: s\ntrain: ['Find {facet}']", "no brace"),
        ("dataset: s\ntrain: ['Find']\nfacets: {a: [b]}", "in every wording"),
        ("dataset: s\ntrain: ['Find {facet}']\nfacets: {a: []}", "has no phrase"),
        ("dataset: s\ntrain: ['Find {facet}']\nfacets: {a: ['{b}']}", "has a brace"),
        ("dataset: s\ntrain: ['Find {facet}']\nfacets: {1: [b]}", "found the instruction 1"),
        ("dataset: s\ntrain: [" + "word " * 41 + "]", "41 words"),
        ("dataset: other\ntrain: [a]", "is for the set 'other'"),
    ],
)
def test_malformed_files_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(DataError, match=r"s\.yaml") as raised:
        InstructionTable.read(tmp_path)
    assert message in str(raised.value)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        InstructionTable.read(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot be read"):
        read_instructions(tmp_path / "nothing.yaml")


@pytest.mark.skipif(not DATA.is_dir(), reason="no retrieval data beside this checkout")
def test_every_real_set_has_instructions() -> None:
    names = {folder.name for part in ("train", "dev") for folder in (DATA / part).iterdir()}
    assert names <= {found.dataset for found in TABLE}
    assert all(not TABLE.for_set(folder.name).train for folder in (DATA / "dev").iterdir())
