from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tart import Document
from tart.normal import normalised, text_key, words
from tart_train.dataset import RetrievalSet
from tart_train.examples import DataError
from tart_train.faults import Faults
from tart_train.instruction_table import InstructionTable, SetInstructions
from tart_train.leakage import GRAM, EvaluationTexts, Leaks, gram_hashes
from tart_train.set_check import Lengths, check_set
from tart_train.set_folders import open_sets

WORDS = [f"word{number}" for number in range(200)]


def told(folder: Path, table: InstructionTable | None = None) -> list[tuple[str, str]]:
    """Place and kind of every fault of a set."""
    faults = Faults(None)
    check_set(RetrievalSet.open(folder), faults, table)
    assert faults.counts.total() == len(faults) == len(faults.first)
    return [(f"{fault.path.name}:{fault.line}", fault.kind) for fault in faults.first]


def test_a_good_set_has_no_fault_and_is_measured(dataset_folder: Any) -> None:
    faults = Faults()
    found = check_set(RetrievalSet.open(dataset_folder()), faults)
    assert not len(faults)
    assert (found.documents, found.queries, found.judgments, found.judged_not_relevant) == (3, 2, 3, 1)
    assert found.document_words == Lengths(8.67, 11, 11)
    assert (found.query_words, found.positives) == (Lengths(2.0, 2, 2), Lengths(1.0, 1, 1))
    assert (found.documents_judged, found.duplicate_documents, found.queries_without_instruction) == (3, 0, 2)
    assert found.as_json()["positives"] == {"mean": 1.0, "median": 1, "longest": 1}


def test_every_fault_is_told_with_its_line(dataset_folder: Any) -> None:
    folder = dataset_folder(
        documents=[{"_id": "d1", "text": "a"}, {"_id": "d1", "text": "b"}, {"_id": "d2", "text": " "}, "{"],
        queries=[
            {"_id": "q1", "text": "a"},
            {"_id": "q1", "text": "b"},
            {"_id": "q2", "text": ""},
            {"_id": "q3", "text": "c"},
            {"_id": "q4", "text": "d", "instruction": "NaN"},
            {"_id": "q5", "text": 3},
        ],
        qrels=["q1\td1\t1", "q1\td9\t1", "q9\td1\t1", "q1\td1\t1", "q1\td1\tbad", "q3\td1\t0", "q3\td1"],
    )
    assert told(folder) == [
        ("corpus.jsonl:2", "duplicate id"),
        ("corpus.jsonl:3", "blank text"),
        ("corpus.jsonl:4", "not JSON"),
        ("queries.jsonl:2", "duplicate id"),
        ("queries.jsonl:3", "blank text"),
        ("queries.jsonl:5", "bad instruction"),
        ("queries.jsonl:6", "bad query"),
        ("qrels.tsv:3", "unknown document"),
        ("qrels.tsv:4", "unknown query"),
        ("qrels.tsv:5", "duplicate pair"),
        ("qrels.tsv:6", "bad grade"),
        ("qrels.tsv:8", "wrong column count"),
        ("queries.jsonl:4", "unanswered query"),
    ]


def test_a_relevant_document_that_is_not_there_answers_nothing(dataset_folder: Any) -> None:
    folder = dataset_folder(queries=[{"_id": "q1", "text": "a"}], qrels=["q1\td9\t1"])
    assert [kind for _, kind in told(folder)] == ["unknown document", "unanswered query"]


def test_a_damaged_file_is_a_fault(dataset_folder: Any) -> None:
    folder = dataset_folder(gz=True, qrels=["q1\td1\t1"])
    (folder / "corpus.jsonl.gz").write_bytes(b"no gzip")
    assert ("corpus.jsonl.gz:0", "unreadable file") in told(folder)
    faults = Faults()
    check_set(RetrievalSet.open(folder), faults)
    assert faults.first[0].message.count("corpus.jsonl.gz") == 1


def test_groups_share_their_text_and_differ_in_the_instruction(dataset_folder: Any) -> None:
    rows = [
        {"_id": f"q{number}", "text": text, "instruction": instruction, "group": "g"}
        for number, (text, instruction) in enumerate([("a", "one"), ("a", "two"), ("a", "one"), ("b", "three")])
    ]
    folder = dataset_folder(queries=rows, qrels=[f"q{number}\td1\t1" for number in range(4)])
    assert told(folder) == [("queries.jsonl:3", "repeated instruction"), ("queries.jsonl:4", "group of two texts")]
    found = check_set(RetrievalSet.open(folder), Faults())
    assert (found.groups, found.queries_with_instruction, found.duplicate_queries) == (1, 4, 0)


def test_a_facet_that_no_wording_knows_is_a_fault(dataset_folder: Any) -> None:
    rows = [{"_id": "q1", "text": "flu", "metadata": {"side": "a"}}, {"_id": "q2", "text": "flu", "metadata": {}}]
    folder = dataset_folder(queries=rows, qrels=["q1\td1\t1", "q2\td1\t1"], card={"facet_field": "side"})
    table = InstructionTable({"toy": SetInstructions("toy", ("Find {facet}",), (), {"a": ("causes",)})})
    assert told(folder, table) == [("queries.jsonl:2", "unknown facet")]


def test_repeated_texts_are_counted_by_letters_and_digits(dataset_folder: Any) -> None:
    folder = dataset_folder(
        documents=[{"_id": "d1", "text": "Sort a list!"}, {"_id": "d2", "text": "sort  A LIST"}],
        queries=[{"_id": "q1", "text": "x y"}, {"_id": "q2", "text": "X-Y"}, {"_id": "q3", "text": "z"}],
        qrels=["q1\td1\t1", "q2\td1\t1", "q3\td1\t1"],
    )
    found = check_set(RetrievalSet.open(folder), Faults())
    assert (found.duplicate_documents, found.duplicate_queries) == (1, 1)


def leaks_of(
    checked: Path, evaluation: Path, containment: float | None = None
) -> list[tuple[str, str, str, float | None]]:
    leaks = Leaks(None)
    texts = EvaluationTexts([RetrievalSet.open(evaluation)], containment)
    check_set(RetrievalSet.open(checked), Faults(), watcher=texts.watcher(leaks))
    assert len(leaks) == len(leaks.first)
    return [(leak.id, leak.kind, leak.source.id, leak.share and round(leak.share, 2)) for leak in leaks.first]


def test_equal_texts_leak_whatever_their_layout(dataset_folder: Any) -> None:
    evaluation = dataset_folder("evaluation")
    checked = dataset_folder(
        documents=[
            {"_id": "a", "text": "how to SORT a list of numbers, with a builtin function?"},
            {"_id": "b", "text": "Merging. Two dictionaries are merged with the operator since Python 3.9"},
            {"_id": "c", "text": "merge dicts"},
            {"_id": "d", "text": "how to sort a list of numbers"},
        ],
        queries=[{"_id": "x", "text": "Merge, dicts"}, {"_id": "y", "text": "merge"}, {"_id": "z", "text": "?!"}],
    )
    assert leaks_of(checked, evaluation) == [
        ("a", "document", "d1", None),
        ("b", "document", "d3", None),
        ("x", "query", "q2", None),
    ]


def test_a_cut_copy_of_a_long_document_is_found_by_its_grams(dataset_folder: Any) -> None:
    evaluation = dataset_folder("evaluation", documents=[{"_id": "long", "text": " ".join(WORDS[:100])}])
    documents = [
        {"_id": "cut", "text": " ".join(WORDS[20:80])},
        {"_id": "half", "text": " ".join(WORDS[50:150])},
        {"_id": "other", "text": " ".join(WORDS[100:])},
        {"_id": "short", "text": " ".join(WORDS[:49])},
    ]
    checked = dataset_folder(documents=documents, queries=[{"_id": "q", "text": "something else"}])
    # 93 grams each, of which those that start at words 50 to 92 are shared: 43.
    assert leaks_of(checked, evaluation, 0.4) == [
        ("cut", "document", "long", 1.0),
        ("half", "document", "long", round(43 / 93, 2)),
    ]
    assert [leak[0] for leak in leaks_of(checked, evaluation, 0.5)] == ["cut"]
    assert leaks_of(checked, evaluation) == []


def test_leaks_are_told_in_one_line(dataset_folder: Any) -> None:
    leaks = Leaks(1)
    folder, evaluation = dataset_folder("checked"), dataset_folder("evaluation")
    watcher = EvaluationTexts([RetrievalSet.open(evaluation)]).watcher(leaks)
    check_set(RetrievalSet.open(folder), Faults(), watcher=watcher)
    assert leaks.counts == {("evaluation", "document"): 3, ("evaluation", "query"): 2}
    assert [leak.message for leak in leaks.first] == [
        f"{folder / 'corpus.jsonl'}:1: document 'd1' equals document 'd1' of evaluation; drop it from training"
    ]


def test_grams_of_brute_force() -> None:
    tokens = ("to be or not to be " * 12).split()
    assert len(gram_hashes(tokens)) == len({tuple(tokens[at : at + GRAM]) for at in range(len(tokens) - GRAM + 1)})
    assert len(gram_hashes(WORDS)) == len(WORDS) - GRAM + 1
    assert not len(gram_hashes(WORDS[:49]))


def test_an_empty_evaluation_finds_nothing() -> None:
    texts = EvaluationTexts([], 0.5)
    assert len(texts) == 0
    assert texts.query("") is None
    assert texts.document(Document("d", " ".join(WORDS))) is None


@given(st.text())
def test_the_normal_form_has_letters_and_digits_only(text: str) -> None:
    normal = normalised(text)
    assert all(char.isalnum() for char in normal)
    assert normalised(normal) == normal
    assert "".join(words(text)) == normal
    assert normalised(unicodedata.normalize("NFC", text)) == normal


@given(st.text(st.characters(codec="ascii")), st.sampled_from(["-", " ", "\n", "!?", "\u2014"]))
def test_what_is_no_letter_or_digit_makes_no_difference(text: str, mark: str) -> None:
    assert normalised(mark.join(text)) == normalised(text.upper()) == normalised(text)
    assert text_key(mark.join(text)) == text_key(text)


@given(st.text())
def test_ascii_words_are_split_as_all_others(text: str) -> None:
    assert words(text + " \u00e9")[:-1] == words(text)


def test_sets_are_found_in_folders_and_opened_once(dataset_folder: Any, tmp_path: Path) -> None:
    dataset_folder("all/b"), dataset_folder("all/a")
    (tmp_path / "all" / "notes").mkdir()
    assert [found.path.name for found in open_sets([tmp_path / "all", tmp_path / "all" / "b"])] == ["a", "b"]
    for wrong, message in ((tmp_path / "none", "no such folder"), (tmp_path / "all" / "notes", "neither a data set")):
        with pytest.raises(DataError, match=message):
            open_sets([wrong])
