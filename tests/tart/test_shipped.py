"""The models that come with the install."""

from pathlib import Path

import numpy as np
import pytest

import tart
from tart import Document, Encoder
from tart.model_folders import BASE_MODEL, find_folder, shipped_names
from tart.models import DEFAULT_MODEL, ModelFolder

CODE = Document(id="code", text="def median(data):\n    data = sorted(data)\n    return data[len(data) // 2]")
WORDS = Document(id="words", text="Return the median (middle value) of numeric data. Even counts give the mean of two.")


@pytest.fixture(scope="module")
def shipped() -> Encoder:
    return Encoder.load(dtype="float32")


def test_the_default_is_shipped_and_small() -> None:
    assert DEFAULT_MODEL in shipped_names()
    folder = find_folder(DEFAULT_MODEL)
    assert folder.is_relative_to(Path(tart.__file__).parent)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 8_000_000


def test_it_stands_on_the_installed_base(shipped: Encoder) -> None:
    folder = ModelFolder.open(DEFAULT_MODEL)
    assert folder.path == ModelFolder.open(BASE_MODEL).path
    assert folder.adapter == find_folder(DEFAULT_MODEL)
    assert (shipped.dim, shipped.max_length, shipped.input_format.name) == (384, 256, "tart")


def test_its_card_names_only_data_that_may_be_given_on() -> None:
    card = (find_folder(DEFAULT_MODEL) / "README.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in card.splitlines() if line.count(" | ") >= 3]
    classes = [row[2] for row in rows if row[2] not in ("class", "---")]
    assert len(classes) > 20
    assert set(classes) == {"open"}


def test_the_instruction_decides_between_code_and_documentation(shipped: Encoder) -> None:
    documents = shipped.encode_documents([CODE, WORDS])
    asked = ["Find the source code of a function that does this", "Find documentation that describes this, not code"]
    scores = shipped.encode_queries(["calculate the median of numbers"] * 2, asked) @ documents.T
    assert scores.argmax(axis=1).tolist() == [0, 1]


def test_one_name_gives_one_model(shipped: Encoder) -> None:
    again = Encoder.load(DEFAULT_MODEL, dtype="float32")
    assert again.fingerprint == shipped.fingerprint
    np.testing.assert_array_equal(again.encode_documents([CODE]), shipped.encode_documents([CODE]))
    assert Encoder.load(BASE_MODEL, dtype="float32").fingerprint != shipped.fingerprint
