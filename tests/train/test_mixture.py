"""The mixture folder: what goes in comes out, damage is told, nothing half-written stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tart.documents import Document
from tart_train.examples import DataError, Example, Negative
from tart_train.mixture import Mixture, MixtureWriter

DOCUMENTS = [Document(f"d{number}", f"text {number} äö", f"title {number}") for number in range(5)]
EXAMPLES = [
    Example("a", "one", "q a", ("d0", "d1"), (Negative("d2", "hard", 0.5), Negative("d3", "judged")), (), "one", ""),
    Example("b", "two", "q b", ("d4",), (Negative("d0", "polarity"),), ("Find b",), "facet", "g"),
    Example("c", "two", "q b", ("d0",), (Negative("d4", "polarity"),), ("Find c", "Look for c"), "facet", "g"),
]
INSTRUCTIONS = {"one": ["Find one", "Find 1"], "two": ["Find two"]}


def write(path: Path, **settings: bool) -> Mixture:
    with MixtureWriter(path, **settings) as writer:
        writer.add(EXAMPLES[0])
        for document in DOCUMENTS:
            writer.add_document(document, "one")
            writer.add_document(document, "again")
        for example in EXAMPLES[1:]:
            writer.add(example)
        return writer.finish(INSTRUCTIONS, {"sets": {"one": {"licence_class": "open"}}, "seed": 3})


def test_gives_back_what_was_written(tmp_path: Path) -> None:
    mixture = write(tmp_path / "m")
    assert list(mixture) == EXAMPLES
    assert [mixture[number] for number in (2, 0, -2)] == [EXAMPLES[2], EXAMPLES[0], EXAMPLES[1]]
    assert mixture.examples([1, 1]) == [EXAMPLES[1]] * 2
    found = mixture.documents(["d3", "d0"])
    assert [(one.id, one.text, one.title) for one in found] == [(d.id, d.text, d.title) for d in DOCUMENTS[3::-3]]
    assert mixture.document("d1").metadata == {"dataset": "one"}
    assert mixture.column("task") == ["one", "facet", "facet"]
    assert mixture.instructions_for(EXAMPLES[0]) == ("Find one", "Find 1")
    assert mixture.instructions_for(EXAMPLES[1]) == ("Find b",)
    assert "d4" in mixture
    assert "x" not in mixture
    assert (mixture.card["documents"], mixture.card["examples"], mixture.card["seed"]) == (5, 3, 3)
    assert mixture.card["tasks"] == {"facet": 2, "one": 1}
    mixture.verify()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_the_datasets_library_opens_it(tmp_path: Path) -> None:
    from datasets import load_from_disk

    write(tmp_path / "m")
    assert load_from_disk(str(tmp_path / "m" / "documents"))["id"][:2] == ["d0", "d1"]
    assert load_from_disk(str(tmp_path / "m" / "examples"))[1]["negatives"] == [
        {"id": "d0", "kind": "polarity", "score": None}
    ]


def test_an_unknown_document_or_number_is_told(tmp_path: Path) -> None:
    mixture = write(tmp_path / "m")
    with pytest.raises(DataError, match="no document 'nowhere'"):
        mixture.document("nowhere")
    with pytest.raises(IndexError):
        mixture[3]


def test_replaces_a_mixture_only_when_told(tmp_path: Path) -> None:
    write(tmp_path / "m")
    with pytest.raises(DataError, match="exists already"):
        write(tmp_path / "m")
    assert len(write(tmp_path / "m", overwrite=True)) == 3
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        write(tmp_path / "other", overwrite=True)


def attempt(path: Path, examples: list[Example], instructions: dict[str, list[str]], documents: list[Document]) -> None:
    with MixtureWriter(path) as writer:
        for example in examples:
            writer.add(example)
        for document in documents:
            writer.add_document(document, "one")
        writer.finish(instructions, {})


@pytest.mark.parametrize(
    ("examples", "instructions", "documents", "found"),
    [
        ([], {}, DOCUMENTS, "no example"),
        (EXAMPLES, {}, DOCUMENTS[1:], "1 documents that examples name were never added"),
        ([EXAMPLES[0], EXAMPLES[0]], {}, DOCUMENTS, "'a' stands twice"),
        (EXAMPLES, {"one": ["nan"]}, DOCUMENTS, "'nan'"),
    ],
)
def test_refuses_what_cannot_be_trained_on_and_leaves_nothing(
    tmp_path: Path,
    examples: list[Example],
    instructions: dict[str, list[str]],
    documents: list[Document],
    found: str,
) -> None:
    with pytest.raises(DataError, match=found):
        attempt(tmp_path / "m", examples, instructions, documents)
    assert list(tmp_path.iterdir()) == []


def test_refuses_what_is_no_mixture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wanted the folder of a mixture"):
        Mixture.open(tmp_path / "nowhere")
    (tmp_path / "card.json").write_text('{"name": "a set"}')
    with pytest.raises(DataError, match="no mixture"):
        Mixture.open(tmp_path)


@pytest.mark.parametrize("damage", ["shorter", "changed", "missing", "version", "files", "instructions"])
def test_tells_damage(tmp_path: Path, damage: str) -> None:
    write(tmp_path / "m")
    file = next((tmp_path / "m" / "documents").glob("*.arrow"))
    card = tmp_path / "m" / "card.json"
    body = json.loads(card.read_text())
    if damage == "shorter":
        file.write_bytes(file.read_bytes()[:-8])
    elif damage == "changed":
        file.write_bytes(file.read_bytes().replace(b"text 1", b"test 1"))
    elif damage == "missing":
        file.unlink()
    elif damage == "version":
        card.write_text(json.dumps({**body, "version": 99}))
    elif damage == "files":
        card.write_text(json.dumps({**body, "files": {"a": 1}}))
    else:
        (tmp_path / "m" / "instructions.json").write_text("[]")
    with pytest.raises(DataError):
        Mixture.open(tmp_path / "m").verify()
