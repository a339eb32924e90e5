from __future__ import annotations

import pytest

from tart import Instruction


def test_composes_intent_domain_and_unit() -> None:
    instruction = Instruction.compose("answers this question", "PubMed", "abstract paragraph")
    assert instruction.text == "Retrieve a PubMed abstract paragraph that answers this question"
    assert (instruction.intent, instruction.domain, instruction.unit) == (
        "answers this question",
        "PubMed",
        "abstract paragraph",
    )


@pytest.mark.parametrize(("unit", "start"), [("answer", "Retrieve an answer"), ("document", "Retrieve a document")])
def test_takes_the_right_article(unit: str, start: str) -> None:
    assert Instruction.compose("helps", unit=unit).text.startswith(start)


def test_collapses_white_space_and_is_falsy_when_blank() -> None:
    assert Instruction(" find \n it ").text == "find it"
    assert not Instruction(" \n ")
    assert Instruction("x")
