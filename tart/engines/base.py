"""The face of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Engine(Protocol):
    """Runs a transformer over token ids and pools each text into one unit vector."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def token_budget(self) -> int:
        """Tokens per batch at which this engine is fastest on its device."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer, which neither pads nor truncates."""

    def embed(self, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        """Embeds one batch.

        Args:
            texts: Token ids of each text, special tokens included; lengths may differ, equal ones adjacent are fastest.
            skip: For each text, how many leading tokens mean pooling leaves out.

        Returns:
            Shape: (len(texts), dim), float32, unit rows.
        """
