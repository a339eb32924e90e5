from __future__ import annotations

import copy

import pytest

from tart import Encoder
from tart.formats import PLAIN
from tart_serve.refusal import Refusal
from tart_serve.served_models import ServedModels, public_name


def renamed(encoder: Encoder, name: str, fingerprint: str = "") -> Encoder:
    """The same encoder under another name."""
    other = copy.copy(encoder)
    other.name = name
    other.fingerprint = fingerprint or encoder.fingerprint
    return other


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("org/name", "org/name"),
        ("/srv/models/mine", "mine"),
        ("./mine", "mine"),
        ("~/models/mine/", "mine"),
        ("a/b/mine", "mine"),
        ("C:\\models\\mine", "mine"),
    ],
)
def test_no_path_is_shown(encoder: Encoder, stored: str, shown: str) -> None:
    assert public_name(renamed(encoder, stored)) == shown


def test_a_hub_model_answers_to_its_short_name(encoder: Encoder) -> None:
    hub = renamed(encoder, "org/name")
    models = ServedModels([hub, renamed(hub, "org/name")])
    assert (
        models.named("name").name == models.named("org/name").name == models.named("org/name:tart").name == "org/name"
    )
    with pytest.raises(Refusal, match="there are: name, org/name, org/name:tart"):
        models.named("other/name")


def test_one_name_for_two_models_must_be_told_apart(encoder: Encoder) -> None:
    plain = renamed(encoder, encoder.name)
    plain.input_format = PLAIN
    models = ServedModels([encoder, plain])
    assert models.named("all-MiniLM-L6-v2:plain") is plain
    assert models.named("all-MiniLM-L6-v2:tart") is encoder
    with pytest.raises(Refusal, match=r"several models are served under this name; there are: .*:plain, .*:tart"):
        models.named("all-MiniLM-L6-v2")
