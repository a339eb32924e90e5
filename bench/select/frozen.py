"""Tier 1: the encoder stays as it is; a small head over its vectors learns to choose.

The head starts as the encoder's own cosine, so a selection that teaches nothing scores what no training scores. When
to stop is decided on a part of the training rows themselves, cut by whole examples; the target is never looked at.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name that every reader of torch code knows)
from numpy.typing import NDArray
from torch import nn

from bench.select.choices import Question

Floats = NDArray[np.float32]

# 1 / 0.05, the inverse temperature that the encoder was trained with.
_SCALE = 20.0


class FrozenSettings(NamedTuple):
    """How the head is trained; fixed before any target was scored."""

    hidden: int = 128
    batch: int = 64
    steps: int = 1_000
    check: int = 25
    patience: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    validation: float = 0.15


class Vectors(NamedTuple):
    """What the encoder made of all texts, once.

    Attributes:
        inputs: Of pool rows. Shape: (rows, dim), float32, unit rows.
        answers: Of all answers. Shape: (answers, dim), float32, unit rows.
        places: An answer's row in `answers`.
    """

    inputs: Floats
    answers: Floats
    places: dict[str, int]


class Batch(NamedTuple):
    """Some questions as tensors.

    Attributes:
        inputs: Shape: (questions, dim).
        answers: Shape: (questions, most answers, dim).
        there: Shape: (questions, most answers), bool: not filled up.
        right: Shape: (questions,), int64.
    """

    inputs: torch.Tensor
    answers: torch.Tensor
    there: torch.Tensor
    right: torch.Tensor


class Head(nn.Module):
    """Scores an answer to an input: ``scale x'(I + W)a + v.gelu(Px + Qa)``, with W and v zero at first."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.bilinear = nn.Parameter(torch.zeros(dim, dim))
        self.of_input = nn.Linear(dim, hidden)
        self.of_answer = nn.Linear(dim, hidden, bias=False)
        self.out = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Shape: (questions, most answers), float32, logits; minus infinity where no answer is."""
        moved = batch.inputs + batch.inputs @ self.bilinear
        cosine = torch.einsum("bd,bnd->bn", moved, batch.answers)
        hidden = F.gelu(self.of_input(batch.inputs)[:, None] + self.of_answer(batch.answers))
        logits: torch.Tensor = _SCALE * cosine + self.out(hidden).squeeze(-1)
        return logits.masked_fill(~batch.there, -torch.inf)


def to_batch(questions: Sequence[Question], vectors: Vectors) -> Batch:
    """Looks the vectors up."""
    most = max(len(question.answers) for question in questions)
    there = np.zeros((len(questions), most), dtype=np.bool_)
    places = np.zeros((len(questions), most), dtype=np.int64)
    for row, question in enumerate(questions):
        there[row, : len(question.answers)] = True
        places[row, : len(question.answers)] = [vectors.places[answer] for answer in question.answers]
    return Batch(
        torch.from_numpy(vectors.inputs[[question.row for question in questions]]),
        torch.from_numpy(vectors.answers[places]),
        torch.from_numpy(there),
        torch.tensor([question.right for question in questions]),
    )


def train_head(
    questions: Sequence[Question], examples: NDArray[np.int64], vectors: Vectors, seed: int, settings: FrozenSettings
) -> Head:
    """Trains until the validation loss has not fallen for some checks, and takes the best head.

    Args:
        questions: The training rows; none gives the untrained head.
        examples: Which example each comes from; validation examples are not trained on. Shape: (questions,).
        vectors: Of the texts.
        seed: Of the start, the order and the validation examples.
        settings: How.
    """
    torch.manual_seed(seed)
    head = Head(vectors.inputs.shape[1], settings.hidden)
    random = np.random.default_rng(seed)
    validation = _validation(examples, settings.validation, random)
    if not len(questions) or validation.all() or not validation.any():
        return head
    held = to_batch([questions[row] for row in np.flatnonzero(validation)], vectors)
    trained = np.flatnonzero(~validation)
    optimizer = torch.optim.AdamW(head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    best, best_loss, misses = copy.deepcopy(head.state_dict()), _loss(head, held), 0
    for step in range(1, settings.steps + 1):
        drawn = random.choice(trained, min(settings.batch, len(trained)), replace=False)
        batch = to_batch([questions[row] for row in drawn], vectors)
        optimizer.zero_grad()
        F.cross_entropy(head(batch), batch.right).backward()
        optimizer.step()
        if step % settings.check == 0:
            loss = _loss(head, held)
            misses = 0 if loss < best_loss else misses + 1
            if loss < best_loss:
                best, best_loss = copy.deepcopy(head.state_dict()), loss
            if misses == settings.patience:
                break
    head.load_state_dict(best)
    return head


def _validation(examples: NDArray[np.int64], share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which rows validate: those of a share of the examples."""
    known = np.unique(examples)
    drawn = random.permutation(known)[: round(share * len(known))]
    return np.isin(examples, drawn)


@torch.no_grad()
def _loss(head: Head, batch: Batch) -> float:
    return float(F.cross_entropy(head(batch), batch.right))


@torch.no_grad()
def right_answers(head: Head, questions: Sequence[Question], vectors: Vectors) -> NDArray[np.bool_]:
    """For each question, whether the right answer alone has the highest score. Shape: (questions,), bool."""
    batch = to_batch(questions, vectors)
    logits = head(batch)
    gold = logits.gather(1, batch.right[:, None])
    return np.asarray(((logits >= gold).sum(1) == 1).numpy())
