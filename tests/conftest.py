"""What several test folders share: one loaded model and a few documents."""

from __future__ import annotations

import os

# Before torch and tokenizers are imported: no test may reach a hub.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from hypothesis import settings

from tart.documents import Document
from tart.encoder import Encoder
from tart.model_folders import BASE_MODEL

# No test is timed: a busy machine must not fail one.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The base model in float32: the same numbers on every machine, to rounding."""
    return Encoder.load(BASE_MODEL, dtype="float32")


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """Twenty short documents of mixed lengths, some titled."""
    words = "merge two dictionaries sort a list read compress bytes parse dates open sockets hash text".split()  # noqa: SIM905
    return [
        Document(
            id=f"d{number}",
            text=" ".join(words[(number * step) % len(words)] for step in range(1, 3 + number * 3)),
            title=f"Title {number}" if number % 3 == 0 else "",
            metadata={"number": number, "even": number % 2 == 0},
        )
        for number in range(20)
    ]
