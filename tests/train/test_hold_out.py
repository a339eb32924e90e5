"""What training never sees is the same in every run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tart_train.examples import DataError
from tart_train.hold_out import HoldOut, read_topics, topic_is_held_out

TOPICS = [f"illness {number}" for number in range(4_000)]


def test_holds_out_the_share_of_topics_that_it_says() -> None:
    held_out = [topic for topic in TOPICS if topic_is_held_out(topic, 0.1)]
    assert 0.08 < len(held_out) / len(TOPICS) < 0.12
    assert {topic for topic in TOPICS if topic_is_held_out(topic, 0.05)} < set(held_out)
    assert not any(topic_is_held_out(topic, 0) for topic in TOPICS)


def test_a_topic_is_the_same_in_any_spelling() -> None:
    assert all(topic_is_held_out(topic) == topic_is_held_out(topic.upper() + " !") for topic in TOPICS[:200])
    # Frozen: another answer would move topics between training and evaluation.
    assert [topic for topic in TOPICS[:60] if topic_is_held_out(topic)] == FROZEN


FROZEN = ["illness 2", "illness 14", "illness 56"]


def test_reads_aspects_topics_and_a_file_of_topics(tmp_path: Path) -> None:
    file = tmp_path / "topics.txt"
    file.write_text("Hay fever\n\n  Gout \n")
    hold_out = HoldOut(read_topics(file), share=0)
    assert hold_out({"focus": "hay-fever"})
    assert hold_out({"focus": "gout"})
    assert not hold_out({"focus": "flu", "qtype": "symptoms"})
    assert hold_out({"focus": "flu", "qtype": "outlook"})
    assert not hold_out({"focus": ["gout"]})
    with pytest.raises(DataError, match="one topic a line"):
        read_topics(tmp_path / "nowhere")
