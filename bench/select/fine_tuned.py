"""Tier 2: the encoder itself is fine-tuned, reading an input and an answer together."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name that every reader of torch code knows)
from numpy.typing import NDArray

from bench.select.choices import Question
from bench.select.pool import PoolRow
from tart.tokens import read_tokenizer
from tart_train.pair_model import PairModel
from tart_train.text_model import open_base


class TunedSettings(NamedTuple):
    """How the model is fine-tuned; fixed before any target was scored.

    Attributes:
        base: Weights to start from.
        layers: The uppermost ones, which are trained; the embeddings never are.
        length: Tokens of an input; a longer one loses its middle, as a prompt asks at its start or its end.
        answer_length: Tokens of an answer.
    """

    base: str = "all-MiniLM-L6-v2"
    layers: int = 2
    length: int = 64
    answer_length: int = 16
    epochs: int = 2
    batch: int = 16
    learning_rate: float = 5e-5
    warmup: float = 0.1
    device: str = "cpu"


class ChoiceModel:
    """A cross-encoder that scores answers; untrained, it ranks by the cosine of input and answer.

    Args:
        rows: The pool.
        settings: How it is trained.
    """

    def __init__(self, rows: Sequence[PoolRow], settings: TunedSettings) -> None:
        folder = open_base(settings.base)
        self._rows = rows
        self._settings = settings
        self._tokenizer = read_tokenizer(folder.path / "tokenizer.json")
        self._model = PairModel.load(folder, "sides", 0.0, settings.device)
        for layer in self._model.transformer.encoder.layer[: -settings.layers]:
            layer.requires_grad_(requires_grad=False)

    def train(self, questions: Sequence[Question], seed: int) -> int:
        """Trains on questions, in an order of the seed's; the number of steps."""
        settings = self._settings
        torch.manual_seed(seed)
        trained = [one for one in self._model.parameters() if one.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate)
        batches = list(_batches(questions, seed, settings))
        warmup = max(1, round(settings.warmup * len(batches)))
        for step, batch in enumerate(batches):
            rate = min((step + 1) / warmup, (len(batches) - step) / max(1, len(batches) - warmup))
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * rate
            optimizer.zero_grad()
            logits, right = self._logits(batch)
            F.cross_entropy(logits, right).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
        return len(batches)

    @torch.no_grad()
    def right_answers(self, questions: Sequence[Question]) -> NDArray[np.bool_]:
        """For each question, whether the right answer alone has the highest score. Shape: (questions,), bool."""
        order = sorted(range(len(questions)), key=lambda number: len(self._rows[questions[number].row].input))
        found = np.zeros(len(questions), dtype=np.bool_)
        for start in range(0, len(order), self._settings.batch):
            numbers = order[start : start + self._settings.batch]
            logits, right = self._logits([questions[number] for number in numbers])
            gold = logits.gather(1, right[:, None])
            found[numbers] = ((logits >= gold).sum(1) == 1).cpu().numpy()
        return found

    def _logits(self, questions: Sequence[Question]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of all answers, minus infinity where none is, and which is right."""
        sizes = [len(question.answers) for question in questions]
        pairs = [pair for question in questions for pair in self._pairs(question)]
        scores = self._scores(pairs)
        logits = scores.new_full((len(sizes), max(sizes)), -torch.inf)
        logits[torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]] = scores
        return logits, torch.tensor([question.right for question in questions], device=scores.device)

    def _pairs(self, question: Question) -> Iterator[tuple[list[int], int]]:
        """Token ids of the input with each answer, and where the answer's begin."""
        settings = self._settings
        first = [101, *cut_middle(self._ids(self._rows[question.row].input), settings.length), 102]
        for answer in question.answers:
            yield [*first, *self._ids(answer)[: settings.answer_length], 102], len(first)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _scores(self, pairs: Sequence[tuple[list[int], int]]) -> torch.Tensor:
        """Shape: (pairs,), float32."""
        device = self._settings.device
        lengths = torch.tensor([len(ids) for ids, _ in pairs])
        places = torch.arange(int(lengths.max()))
        mask = places < lengths[:, None]
        ids = torch.zeros(mask.shape, dtype=torch.long)
        ids[mask] = torch.tensor([token for ids, _ in pairs for token in ids])
        types = (places >= torch.tensor([start for _, start in pairs])[:, None]) & mask
        ids, mask, types = ids.to(device), mask.to(device), types.long().to(device)
        states = self._model.transformer(input_ids=ids, attention_mask=mask.long(), token_type_ids=types)
        scores: torch.Tensor = self._model.head(states.last_hidden_state[mask], lengths.to(device), types[mask])
        return scores


def cut_middle(ids: list[int], length: int) -> list[int]:
    """The first third and the last two thirds of what is allowed."""
    if len(ids) <= length:
        return ids
    start = length // 3
    return ids[:start] + ids[len(ids) - (length - start) :]


def _batches(questions: Sequence[Question], seed: int, settings: TunedSettings) -> Iterator[Sequence[Question]]:
    draw = random.Random(seed)  # noqa: S311 (an experiment's seed, no secret)
    for _ in range(settings.epochs):
        order = draw.sample(questions, len(questions))
        for start in range(0, len(order), settings.batch):
            yield order[start : start + settings.batch]
