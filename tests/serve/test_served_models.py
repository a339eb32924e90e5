from __future__ import annotations

import copy
from pathlib import Path

import pytest

from tart import Document, Encoder
from tart.formats import PLAIN
from tart_index import Corpus, build_index
from tart_serve.open_indexes import encoder_of
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


def test_a_model_whose_vectors_are_cut_is_told_apart_by_their_length(encoder: Encoder) -> None:
    cut = encoder.cut(64)
    models = ServedModels([encoder, cut])
    assert models.named("all-MiniLM-L6-v2:tart:64") is cut
    assert models.named("all-MiniLM-L6-v2:tart") is encoder
    assert models.name_of(cut) == "all-MiniLM-L6-v2:tart:64"
    assert ServedModels([cut]).named("all-MiniLM-L6-v2") is cut


def test_one_model_serves_whole_and_cut_vectors(encoder: Encoder, tmp_path: Path) -> None:
    corpus = Corpus.from_documents("two", lambda: [Document("a", "red apple"), Document("b", "blue sea")])
    manifests = []
    for number, one in enumerate((encoder, encoder.cut(64), encoder.cut(32))):
        manifests.append(build_index(corpus, tmp_path / str(number), one).manifest)
    for manifest, dim in zip(manifests, (384, 64, 32), strict=True):
        found = encoder_of(manifest, [encoder.cut(64)])
        assert found is not None
        assert (found.dim, found.fingerprint, found.uncut) == (dim, manifest.model.fingerprint, encoder)
    other = copy.copy(encoder)
    other.fingerprint = "sha256:" + "0" * 64
    assert encoder_of(manifests[1], [other]) is None
