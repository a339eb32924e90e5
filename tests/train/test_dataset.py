from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tart import Document
from tart.errors import SourceError, TartError
from tart_train.card import Card
from tart_train.dataset import Query, RetrievalSet
from tart_train.examples import DataError
from tart_train.faults import Faults
from tart_train.qrels import grades

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("header", [False, True])
def test_reads_documents_queries_and_judgments(dataset_folder: Any, gz: bool, header: bool) -> None:
    found = RetrievalSet.open(dataset_folder(gz=gz, header=header))
    assert found.name == "toy"
    assert list(found.documents())[1] == Document(
        "d2", "def sort(numbers): return sorted(numbers)", "", {"kind": "code"}
    )
    assert list(found.queries()) == [Query("q1", "sort numbers"), Query("q2", "merge dicts", {"kind": "text"})]
    assert found.qrels() == {"q1": {"d1": 1, "d2": 0}, "q2": {"d3": 2}}


def test_queries_may_carry_an_instruction_and_a_group(dataset_folder: Any) -> None:
    rows = [
        {"_id": 7, "text": "x", "instruction": "Find code", "group": "g"},
        {"_id": "8", "text": "x", "instruction": None, "group": None},
    ]
    first, second = RetrievalSet.open(dataset_folder(queries=rows)).queries()
    assert first == Query("7", "x", {}, "Find code", "g")
    assert (second.instruction, second.group) == (None, "")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "wanted one JSON object"),
        ({"text": "x"}, "no field 'id'"),
        ({"_id": "q"}, "no field 'text'"),
        ({"_id": "q", "text": " "}, "query 'q' has no text"),
        ({"_id": "q", "text": None}, "field 'text' is null"),
        ({"_id": "", "text": "x"}, "empty id"),
        ({"_id": True, "text": "x"}, "field 'id' is true"),
        ({"_id": "q", "text": "x", "metadata": []}, "wanted an object"),
        ({"_id": "q", "text": "x", "instruction": "nan"}, "found the instruction 'nan'"),
        ({"_id": "q", "text": "x", "instruction": ""}, "found the instruction ''"),
        ({"_id": "q", "text": "x", "instruction": 1}, "field 'instruction' is 1"),
        ({"_id": "q", "text": "x", "group": 3}, "field 'group' is 3"),
    ],
)
def test_a_row_that_is_no_query_is_refused_with_its_line(dataset_folder: Any, row: object, message: str) -> None:
    found = RetrievalSet.open(dataset_folder(queries=[{"_id": "q1", "text": "fine"}, row]))
    queries = found.queries()
    assert next(queries).id == "q1"
    with pytest.raises(DataError, match=r"queries\.jsonl:2: ") as raised:
        next(queries)
    assert message in str(raised.value)


def test_malformed_judgments_are_told_all_at_once(dataset_folder: Any) -> None:
    rows = ["q1\td1\t1", "q1\td1\t0", "q1\td2", "q1\td2\thigh", "q1\t\t1", "q1\td2\t1.5", "", "q2\td3\t-1"]
    with pytest.raises(DataError) as raised:
        RetrievalSet.open(dataset_folder(qrels=rows)).qrels()
    told = str(raised.value).split("; ")
    assert "qrels.tsv:3: query 'q1' and document 'd1' stand twice (grades 1 and 0)" in told[0]
    for place, problem in ((":4:", "2 columns"), (":5:", "'high'"), (":6:", "an id is empty"), (":7:", "'1.5'")):
        assert any(place in line and problem in line for line in told), problem
    assert ":9:" not in str(raised.value)


def test_only_the_first_faults_are_told_and_the_others_counted(dataset_folder: Any) -> None:
    with pytest.raises(DataError, match=r"and 15 more faults$"):
        RetrievalSet.open(dataset_folder(qrels=["q1\td1\tx"] * 25)).qrels()


def test_bytes_that_are_no_utf8_are_a_fault(dataset_folder: Any) -> None:
    folder = dataset_folder()
    (folder / "qrels.tsv").write_bytes(b"q1\td1\t1\nq\xff\td1\t1\n")
    with pytest.raises(DataError, match=r"qrels\.tsv:2: byte 0xff"):
        RetrievalSet.open(folder).qrels()


def test_a_damaged_file_is_named(dataset_folder: Any) -> None:
    folder = dataset_folder(gz=True)
    whole = (folder / "qrels.tsv.gz").read_bytes()
    (folder / "qrels.tsv.gz").write_bytes(whole[:-9])
    with pytest.raises(SourceError, match=r"qrels\.tsv\.gz: the compressed data are damaged"):
        RetrievalSet.open(folder).qrels()


def test_splits_of_the_judgments(dataset_folder: Any) -> None:
    folder = dataset_folder(qrels_name="qrels/test.tsv")
    (folder / "qrels" / "dev.tsv").write_text("q1\td2\t3\n")
    assert RetrievalSet.open(folder).qrels()["q2"] == {"d3": 2}
    assert RetrievalSet.open(folder, split="dev").qrels() == {"q1": {"d2": 3}}
    with pytest.raises(DataError, match="no judgments of the split 'train'"):
        RetrievalSet.open(folder, split="train")
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "train.tsv")
    with pytest.raises(DataError, match=r"several splits \(dev, train\)"):
        RetrievalSet.open(folder)
    (folder / "qrels" / "train.tsv").unlink()
    assert RetrievalSet.open(folder).qrels() == {"q1": {"d2": 3}}


@pytest.mark.parametrize(
    ("missing", "message"),
    [("documents", "no corpus.jsonl"), ("queries", "no queries.jsonl"), ("qrels", "no qrels.tsv")],
)
def test_a_folder_without_a_file_is_refused(dataset_folder: Any, missing: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        RetrievalSet.open(dataset_folder(**{missing: None}))


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        RetrievalSet.open(tmp_path / "nothing")


def test_without_a_card_the_folder_gives_the_name(dataset_folder: Any) -> None:
    assert RetrievalSet.open(dataset_folder("my set", card=None)).card == Card("my_set")


def test_a_card_keeps_what_it_knows_and_passes_over_the_rest(dataset_folder: Any) -> None:
    card = RetrievalSet.open(
        dataset_folder(
            card={"unit": "answer", "facet_field": None, "n_docs": 3, "instructions": ["a b"], "facets": {"x": ["y"]}}
        )
    ).card
    assert (card.unit, card.facet_field, card.instructions, card.facets) == ("answer", None, ("a b",), {"x": ("y",)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "wanted one JSON object"),
        ("{}", "there is no 'name'"),
        ('{"name": 1, "unit": []}', "'name' is 1; 'unit' is []"),
        ('{"name": "a b"}', "wanted one word"),
        ('{"name": "../up"}', "wanted one word"),
        ('{"name": "a", "licence_class": "mine"}', "'mine'; wanted one of open, research, none"),
        ('{"name": "a", "facet_field": ""}', "'facet_field' is ''"),
        ('{"name": "a", "instructions": ["nan"]}', "found the instruction 'nan'"),
        ('{"name": "a", "instructions": "Find"}', "'instructions' is 'Find'"),
        ('{"name": "a", "facets": {"x": "y"}}', "'facets' is"),
    ],
)
def test_what_is_no_card_is_refused(dataset_folder: Any, text: str, message: str) -> None:
    folder = dataset_folder()
    (folder / "card.json").write_text(text)
    with pytest.raises(DataError, match=r"card\.json") as raised:
        RetrievalSet.open(folder)
    assert message in str(raised.value)


IDS = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n\ufeff"), min_size=1).filter(str.strip)


@given(judged=st.dictionaries(IDS, st.dictionaries(IDS, st.integers(-9, 9), min_size=1), max_size=5))
def test_judgments_survive_a_file(tmp_path_factory: pytest.TempPathFactory, judged: dict[str, dict[str, int]]) -> None:
    file = tmp_path_factory.mktemp("qrels") / "qrels.tsv.gz"
    rows = [f"{query}\t{document}\t{grade}\n" for query, of in judged.items() for document, grade in of.items()]
    file.write_bytes(gzip.compress("".join(["query-id\tcorpus-id\tscore\n", *rows]).encode()))
    faults = Faults()
    assert grades(file, faults) == judged
    assert not len(faults)


@pytest.mark.skipif(not (DATA / "dev").is_dir(), reason="no judged retrieval data beside this checkout")
@pytest.mark.parametrize("name", ["argkp", "rqe_test", "mbpp"])
def test_the_counts_of_real_sets_are_those_of_their_cards(name: str) -> None:
    folder = DATA / "dev" / name
    found, card = RetrievalSet.open(folder), json.loads((folder / "card.json").read_text())
    assert sum(1 for _ in found.documents()) == card["n_docs"]
    assert sum(1 for _ in found.queries()) == card["n_queries"]
    assert sum(map(len, found.qrels().values())) == card["n_qrels"]


def test_every_error_can_be_mended() -> None:
    assert issubclass(DataError, TartError)
