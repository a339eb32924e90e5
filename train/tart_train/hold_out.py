"""What training never sees, so that evaluation can ask for it: decided by a hash, the same in every run and command.

Topics are held out by a hash of their name, aspects and packages by name (OPT-IML, Iyer et al. 2022, tells held-out
categories, tasks and instances apart). Mining leaves out every document and query that this file names; the contrast
sets are made of nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tart.normal import normalised
from tart_train.examples import DataError

TOPIC_FIELD, ASPECT_FIELD = "focus", "qtype"
# Aspects of health topics that no training row asks for or shows.
ASPECTS = frozenset({"prevention", "complications", "outlook", "inheritance", "considerations"})
# Python packages whose code and documentation are kept for evaluation.
PACKAGES = frozenset({"networkx", "pandas"})
# Sets whose pair of units is compared in evaluation: trained on alone, never against each other.
UNIT_SETS = frozenset({"pubmedqa_abstract", "pubmedqa_conclusion"})
_SHARE = 0.08


def topic_is_held_out(topic: str, share: float = _SHARE) -> bool:
    """Whether a topic belongs to evaluation: a fixed share of all names, by their hash."""
    digest = hashlib.blake2b(normalised(topic).encode("utf-8", "surrogatepass"), digest_size=8, person=b"tart-topic")
    return int.from_bytes(digest.digest(), "little") < share * 2**64


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Tells what is kept from training.

    Attributes:
        topics: Normalised topics beside those that the hash takes.
        aspects: Values of the aspect field.
        share: Of all topics.
    """

    topics: frozenset[str] = frozenset()
    aspects: frozenset[str] = ASPECTS
    share: float = _SHARE

    def topic(self, metadata: Mapping[str, object]) -> bool:
        """Whether a document or query is about a topic that is held out."""
        topic = metadata.get(TOPIC_FIELD)
        if not isinstance(topic, str):
            return False
        return topic_is_held_out(topic, self.share) or normalised(topic) in self.topics

    def aspect(self, metadata: Mapping[str, object]) -> bool:
        """Whether a document or query has an aspect that is held out."""
        return metadata.get(ASPECT_FIELD) in self.aspects

    def __call__(self, metadata: Mapping[str, object]) -> bool:
        """Whether training must not see a document or query of this metadata."""
        return self.aspect(metadata) or self.topic(metadata)


def read_topics(file: Path) -> frozenset[str]:
    """Topics of a file, one a line, as `HoldOut` takes them.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error}); wanted one topic a line, in UTF-8") from error
    return frozenset(normalised(line) for line in lines if line.strip())
