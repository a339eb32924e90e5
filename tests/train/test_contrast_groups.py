"""Contrast groups: labels swap within a group, each instruction fits its documents."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from tart.documents import Document
from tart_train.examples import DataError, Example
from tart_train.facets import facet_groups, platform_groups, section_groups
from tart_train.groups import Member, group_rows
from tart_train.negatives import EmbeddedSet
from tart_train.polarity import package_groups, package_licence
from tart_train.shelf import Shelf
from tart_train.units import UnitGroups, name_words, salient
from tart_train.wordings import CONTRASTED_SHAPES, HELD_OUT_SHAPES, SHAPES, UNITS, worded
from tests.train.mining_sets import write_set
from tests.train.test_negatives import embedded


def by_group(rows: Iterable[Example]) -> dict[str, list[Example]]:
    found: dict[str, list[Example]] = defaultdict(list)
    for row in rows:
        found[row.group].append(row)
    for each in found.values():
        assert len(each) > 1
        assert len({row.query for row in each}) == 1
        positives = {one for row in each for one in row.positives}
        for row in each:
            polarity = {negative.id for negative in row.negatives if negative.kind == "polarity"}
            assert polarity
            assert polarity <= positives - set(row.positives)
            assert row.instructions
    return found


def docs(*texts: str) -> list[Document]:
    return [Document(text, text) for text in texts]


def test_labels_swap_and_what_is_right_for_both_is_wrong_for_none() -> None:
    members = [
        Member("a", ("Find a",), docs("one", "both")),
        Member("b", ("Find b",), docs("two", "both")),
        Member("c", ("Find c",), docs("Query!")),
        Member("d", (), docs("three")),
    ]
    rows = group_rows("t", "s", "g", "query", members, similarity=lambda document: len(document.id) / 10)
    assert [(row.id, row.positives) for row in rows] == [("t:g:a", ("one", "both")), ("t:g:b", ("two", "both"))]
    assert [[(one.id, one.kind, one.score) for one in row.negatives] for row in rows] == [
        [("two", "polarity", 0.3), ("three", "polarity", 0.5)],
        [("one", "polarity", 0.3), ("three", "polarity", 0.5)],
    ]
    assert group_rows("t", "s", "g", "query", members[:1]) == []


@pytest.fixture
def health(tmp_path: Path) -> EmbeddedSet:
    documents, queries, judged = {}, {}, []
    for topic in ("gout", "flu", "croup", "mumps"):
        for aspect in ("symptoms", "treatment", "outlook"):
            key, metadata = f"{topic}-{aspect}", {"focus": topic, "qtype": aspect}
            documents[f"d-{key}"] = {"text": f"about {aspect} of {topic}", "metadata": metadata}
            queries[f"q-{key}"] = {"text": topic, "metadata": metadata}
            judged += [(f"q-{key}", f"d-{topic}-{each}", int(each == aspect)) for each in ("symptoms", "treatment")]
            judged += [(f"q-{key}", f"d-{topic}-outlook", int(aspect == "outlook"))]
    return embedded(write_set(tmp_path, "medquad_facets", documents, queries, judged, facet_field="qtype"))


def test_facet_rows_ask_for_one_aspect_and_never_for_one_that_is_held_out(health: EmbeddedSet) -> None:
    groups = by_group(facet_groups(health, 99, 0))
    assert groups
    for rows in groups.values():
        assert {row.id.rpartition(":")[2] for row in rows} == {"symptoms", "treatment"}
        for row in rows:
            aspect = row.id.rpartition(":")[2]
            assert row.positives == (f"medquad_facets:d-{row.query}-{aspect}",)
            hard = [negative.id for negative in row.negatives if negative.kind == "hard"]
            assert all(one.endswith(aspect) and row.query not in one for one in hard)
    assert not any("outlook" in document.id for document in health.sampled.documents)
    assert list(facet_groups(health, 1, 0)) == list(facet_groups(health, 1, 0))
    assert len(by_group(facet_groups(health, 1, 0))) == 1


def test_section_groups_name_their_heading(tmp_path: Path) -> None:
    headings = ["History", "Early history", "Climate", "Economy", "2010", "", "Sports"]
    documents = {
        f"d{n}": {"text": f"{heading} text {n} " * 6, "metadata": {"page": "Ulm", "section": heading}}
        for n, heading in enumerate(headings)
    }
    one = embedded(write_set(tmp_path, "s", documents, {"q": "x"}, [("q", "d0", 1)]))
    sections = {document.id: str(document.metadata["section"]) for document in one.sampled.documents}
    for rows in by_group(section_groups(one, 99, 0)).values():
        used = {sections[one_id] for row in rows for one_id in row.positives}
        assert not {"History", "Early history"} <= used
        assert not {"2010", ""} & used
        for row in rows:
            assert row.query == "Ulm"
            assert all(sections[row.positives[0]].casefold() in wording.casefold() for wording in row.instructions)


def test_platform_groups(tmp_path: Path) -> None:
    documents = {
        f"d{n}": {"title": "ls", "text": f"list files {n}", "metadata": {"platform": platform}}
        for n, platform in enumerate(["linux", "osx", "unknown"])
    }
    one = embedded(write_set(tmp_path, "tldr_page", documents, {"q": "x"}, [("q", "d0", 1)]))
    (rows,) = by_group(platform_groups(one, 9, 0)).values()
    assert {row.id.rpartition(":")[2] for row in rows} == {"linux", "osx"}
    assert any("Mac" in wording or "OS X" in wording for wording in rows[1].instructions)


def test_units_of_two_kinds(tmp_path: Path) -> None:
    queries = {"q0": "sort a list", "q1": "how to sort lists", "q2": "open a file"}
    judged = [("q0", "d0", 1), ("q1", "d0", 1), ("q2", "d1", 1)]
    conala = embedded(write_set(tmp_path, "conala_train", {"d0": "sorted(x)", "d1": "open(f)"}, queries, judged))
    sql = embedded(
        write_set(
            tmp_path, "codenn_sql", {"s0": "select 1 order by 1"}, {"q0": "sort a list in SQL"}, [("q0", "s0", 1)]
        )
    )
    shelf = Shelf.of([conala.sampled, sql.sampled])
    groups = by_group(UnitGroups([conala, sql], shelf, 99, 0).rows())
    siblings = [rows for name, rows in groups.items() if name.startswith("unit:")]
    assert {rows[0].query for rows in siblings} == {"sort a list", "how to sort lists"}
    for rows in siblings:
        assert {row.positives for row in rows} >= {("conala_train:d0",)}
        question = next(row for row in rows if row.id.endswith("how-to question"))
        assert shelf[question.positives[0]].text != question.query
    (language,) = [rows for name, rows in groups.items() if name == "language:codenn_sql:q0"] or [[]]
    for row in language:
        assert "SQL" not in row.query
    assert UnitGroups([conala], shelf, 0, 0).rows() is not None
    assert list(UnitGroups([conala], shelf, 0, 0).rows()) == []


def test_code_and_documentation_of_an_installed_package() -> None:
    shelf = Shelf()
    groups = by_group(package_groups(["click"], shelf, 6, 0))
    assert 1 <= len(groups) <= 6
    for rows in groups.values():
        assert {row.positives[0].split(":")[1] for row in rows} == {"code", "doc"}
        for row in rows:
            assert shelf[row.positives[0]].metadata["kind"] == row.id.rpartition(":")[2]
    with pytest.raises(DataError, match="kept for evaluation"):
        list(package_groups(["pandas"], shelf, 1, 0))
    with pytest.raises(DataError, match="no package"):
        package_licence("surely_not_installed")


def test_wordings_are_many_and_not_those_of_evaluation() -> None:
    assert not set(HELD_OUT_SHAPES) & {*SHAPES, *CONTRASTED_SHAPES}
    for unit, phrases in UNITS.items():
        made = worded(phrases, random.Random(unit), 10, UNITS["table"])
        assert len(set(made)) == 10
        assert all(any(phrase.casefold() in wording.casefold() for phrase in phrases) for wording in made)
    assert worded(["x"], random.Random(0), 4) == worded(["x"], random.Random(0), 4)


def test_words_of_names_and_rare_words() -> None:
    assert name_words("class A:\n    async def loadJSON_file(self): ...") == "load json file"
    assert name_words("x = 1") == ""
    assert salient("The cat and the 12 ostriches ran", {"the": 9, "cat": 1, "and": 8, "ran": 5}, 2) == "cat ostriches"
