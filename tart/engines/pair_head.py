"""The head of a cross-encoder: a pair's token states to one logit. Training and use run this one module."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (the name that every reader of torch code knows)
from torch import nn

PairPooling = Literal["cls", "mean", "sides"]

# 1 / 0.05, the inverse temperature that the sentence-transformers base was trained with.
_START_SCALE = 20.0


class PairHead(nn.Module):
    """Pools a pair and scores it: ``out(tanh(dense(pooled)))``.

    ``cls`` pools the first token's state, as BERT's own classifier does; ``mean`` averages all tokens, which is what a
    sentence-transformers base was trained to have read; ``sides`` adds to ``mean`` the scaled cosine of the averages
    of the two sides, so that an untrained head already ranks as a bi-encoder whose sides have seen each other.

    Args:
        width: Of the token states.
        pooling: See above.
        dropout: On the pooled state, in training.
    """

    def __init__(self, width: int, pooling: PairPooling, dropout: float = 0.0) -> None:
        super().__init__()
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(width, width)
        self.out = nn.Linear(width, 1)
        if pooling == "sides":
            self.scale = nn.Parameter(torch.tensor(_START_SCALE))
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    def forward(self, states: torch.Tensor, lengths: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """Scores pairs whose tokens lie in one row.

        Args:
            states: Shape: (tokens, width); tokens behind the last pair are ignored.
            lengths: Shape: (pairs,), int64, tokens of each pair.
            types: Shape: (tokens,), int64: 0 on the query's side, 1 on the document's.

        Returns:
            Shape: (pairs,), float32, logits.
        """
        if self.pooling == "cls":
            pooled = states[lengths.cumsum(0) - lengths].float()
            return self._classify(pooled)
        sums, counts = _side_sums(states, lengths, types)
        logits = self._classify(sums.sum(1) / counts.sum(1, keepdim=True))
        if self.pooling == "sides":
            query, document = (sums / counts.clamp(min=1).unsqueeze(2)).unbind(1)
            logits = logits + self.scale * F.cosine_similarity(query, document)
        return logits

    def _classify(self, pooled: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.out(torch.tanh(self.dense(self.dropout(pooled))))
        return logits.squeeze(1).float()


def _side_sums(states: torch.Tensor, lengths: torch.Tensor, types: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of states, and numbers of tokens, by pair and side. Shapes: (pairs, 2, width), (pairs, 2), float32."""
    tokens = int(lengths.sum())
    pairs = torch.arange(len(lengths), device=lengths.device)
    sides = pairs.repeat_interleave(lengths) * 2 + types[:tokens]
    sums = states.new_zeros(2 * len(lengths), states.shape[1], dtype=torch.float32)
    sums = sums.index_add(0, sides, states[:tokens].float())
    counts = torch.bincount(sides, minlength=2 * len(lengths)).float()
    return sums.view(len(lengths), 2, -1), counts.view(len(lengths), 2)
