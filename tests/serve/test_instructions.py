from __future__ import annotations

from starlette.testclient import TestClient

from tart.instruction_words import DOMAINS, EXAMPLES, INTENTS, UNITS
from tart.instructions import Instruction


def test_stored_instructions_of_each_index_and_the_vocabulary(client: TestClient) -> None:
    response = client.get("/v1/instructions")
    assert response.status_code == 200
    assert response.json() == {
        "object": "instructions",
        "indexes": {
            "code": {"default": "", "named": {"function": "Find the Python function that does this"}},
            "notes": {"default": "Find the page that explains this", "named": {}},
        },
        "vocabulary": {"intents": list(INTENTS), "domains": list(DOMAINS), "units": list(UNITS)},
        "examples": list(EXAMPLES),
    }


def test_a_named_instruction_of_the_list_is_applied_by_its_name(client: TestClient) -> None:
    [(name, text)] = client.get("/v1/instructions").json()["indexes"]["code"]["named"].items()
    reply = client.post("/v1/search", json={"index": "code", "query": "merge", "prompt_name": name}).json()
    assert reply["instruction_applied"] == text


def test_any_intent_domain_and_unit_make_an_instruction() -> None:
    for words in (INTENTS, DOMAINS, UNITS):
        assert len(set(words)) == len(words)
        assert all(word == word.strip() and word.isprintable() and word for word in words)
    made = {Instruction.compose(i, d, u).text for i in INTENTS for d in DOMAINS for u in UNITS}
    assert len(made) == len(INTENTS) * len(DOMAINS) * len(UNITS)
    assert Instruction.compose(INTENTS[0], DOMAINS[0], UNITS[0]).text == (
        "Retrieve a Python document that answers this question"
    )
    assert all(text == Instruction(text).text for text in EXAMPLES)
