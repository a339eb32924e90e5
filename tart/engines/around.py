"""An engine around another one."""

from __future__ import annotations

from tokenizers import Tokenizer

from tart.engines.base import Engine


class EngineAround:
    """What an engine has in common with the one that it runs, unless it says otherwise.

    Args:
        own: Runs the batches.
    """

    def __init__(self, own: Engine) -> None:
        self._own = own

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._own.dim

    @property
    def token_budget(self) -> int:
        """Tokens of a batch."""
        return self._own.token_budget

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer."""
        return self._own.tokenizer
