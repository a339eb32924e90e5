"""A cross-encoder under training: token pairs in length-sorted chunks to logits, and a step's gradients."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name that every reader of torch code knows)
from torch import nn

from tart.engines.hardware import Hardware
from tart.engines.packed_bert import supports_layers
from tart.engines.pair_head import PairHead, PairPooling
from tart.errors import ModelError
from tart.models import ModelFolder
from tart.pair_tokens import PairTokens
from tart_train.full_recipe import PairLossSettings
from tart_train.pair_inputs import PairBatch


class PairModel(nn.Module):
    """A BERT and the head over it.

    Args:
        transformer: Token ids to token states.
        head: Token states to a logit.
    """

    # The trainer of sentence-transformers asks a model for it; batches come ready to it.
    preprocess = None

    def __init__(self, transformer: nn.Module, head: PairHead) -> None:
        super().__init__()
        self.transformer = transformer
        self.head = head

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.head.out.weight.device

    @classmethod
    def load(cls, folder: ModelFolder, pooling: PairPooling, dropout: float, device: str) -> PairModel:
        """The base in float32, without dropout and with its embeddings frozen, under a new head.

        Raises:
            ModelError: transformers cannot load the folder, or it is no plain BERT.
        """
        import transformers

        if not supports_layers(folder.config):
            raise ModelError(
                f"model {folder.name!r} is a {folder.config.get('model_type')!r} transformer; a reranker wants a "
                "plain BERT as its base"
            )
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        # Measured: on a CPU plain attention trains nearly twice as fast as the fused one.
        attention = "eager" if device == "cpu" else "sdpa"
        try:
            with _quiet("transformers"):
                transformer = transformers.BertModel.from_pretrained(
                    str(folder.path), add_pooling_layer=False, dtype=torch.float32, attn_implementation=attention
                )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            reason = str(error).partition("\n")[0]
            raise ModelError(f"model {folder.name!r} cannot be loaded for training ({reason})") from error
        for module in transformer.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        transformer.embeddings.requires_grad_(requires_grad=False)
        head = PairHead(int(transformer.config.hidden_size), pooling, dropout)
        model = cls(transformer, head)
        return model.to(device)


@contextlib.contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Leaves out reports, here that the pooler which the head replaces was not loaded."""
    found = logging.getLogger(logger)
    level = found.level
    found.setLevel(logging.ERROR)
    try:
        yield
    finally:
        found.setLevel(level)


class Told(NamedTuple):
    """Sums over rows, of what is logged."""

    listwise: float
    binary: float
    first: float


class PairStep:
    """Adds the gradients of a batch.

    Args:
        model: To train.
        hardware: Where it runs, and in which number type matrix products are made.
        loss: The recipe's part.
        chunk_tokens: Tokens of one forward pass, padding included.
        graph_tokens: Tokens whose activations are held at once.
        around: A context for a step, such as `tart_train.lora.merged`.
    """

    def __init__(
        self,
        model: PairModel,
        hardware: Hardware,
        loss: PairLossSettings,
        chunk_tokens: int,
        graph_tokens: int,
        around: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self._model = model
        self._hardware = hardware
        self._loss = loss
        self._chunk_tokens = chunk_tokens
        self._graph_tokens = graph_tokens
        self._around = around

    def __call__(self, batch: PairBatch) -> tuple[float, Mapping[str, float], int]:
        """Gradients of the mean loss of a batch's rows.

        Returns:
            The loss, other values to log, and the tokens read.
        """
        rows = list(batch.rows())
        # Dropout, too, is a function of the step, so that a resumed run goes on exactly.
        torch.manual_seed(batch.seed)
        sums = Told(0.0, 0.0, 0.0)
        with self._around():
            for part in _parts(batch, rows, self._graph_tokens):
                logits = self.logits(batch.pairs, list(chain.from_iterable(part)))
                loss, told = pair_loss(logits, [len(row) for row in part], self._loss)
                (loss / len(rows)).backward()  # type: ignore[no-untyped-call]
                sums = Told(*(a + b for a, b in zip(sums, told, strict=True)))
        means = {name: value / len(rows) for name, value in sums._asdict().items()}
        loss_value = self._loss.listwise * means["listwise"] + self._loss.binary * means["binary"]
        return loss_value, means, len(batch.pairs.tokens.ids)

    def logits(self, pairs: PairTokens, numbers: Sequence[int]) -> torch.Tensor:
        """Logits of some pairs, in the order of `numbers`. Shape: (len(numbers),), float32."""
        chosen = np.asarray(numbers, dtype=np.int64)
        order = np.argsort(-pairs.tokens.lengths[chosen], kind="stable")
        found = []
        start = 0
        while start < len(order):
            longest = int(pairs.tokens.lengths[chosen[order[start]]])
            stop = start + max(self._chunk_tokens // longest, 1)
            found.append(self._forward(pairs, chosen[order[start:stop]].tolist()))
            start = stop
        return torch.cat(found)[torch.from_numpy(np.argsort(order)).to(self._model.device)]

    def _forward(self, pairs: PairTokens, numbers: Sequence[int]) -> torch.Tensor:
        """One chunk, longest first."""
        device = self._model.device
        lengths = torch.tensor([len(pairs.tokens[number]) for number in numbers])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids, types = (torch.zeros(mask.shape, dtype=torch.long) for _ in range(2))
        ids[mask] = torch.from_numpy(np.concatenate([pairs.tokens[number] for number in numbers])).long()
        types[mask] = torch.from_numpy(np.concatenate([pairs.types_of(number) for number in numbers])).long()
        with self._autocast():
            states = self._model.transformer(
                input_ids=ids.to(device), attention_mask=mask.long().to(device), token_type_ids=types.to(device)
            ).last_hidden_state
        # The head stays in float32, as in use.
        logits: torch.Tensor = self._model.head(states[mask.to(device)], lengths.to(device), types[mask].to(device))
        return logits

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self._hardware.dtype == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self._hardware.device.partition(":")[0], self._hardware.torch_dtype)


def pair_loss(logits: torch.Tensor, sizes: Sequence[int], settings: PairLossSettings) -> tuple[torch.Tensor, Told]:
    """The loss of rows, summed.

    Args:
        logits: Shape: (pairs,): all rows' pairs, of each row the positive first.
        sizes: Pairs of each row.
        settings: Weights of the two losses.
    """
    rows = _rows(logits, sizes)
    # -log softmax of the positive among the row's documents (Asai et al. 2022, section 4.2, trained per pair; listwise
    # as in ListNet, Cao et al. 2007).
    listwise = torch.stack([torch.logsumexp(row, 0) - row[0] for row in rows])
    positives, negatives = _rows(F.softplus(-logits), sizes), _rows(F.softplus(logits), sizes)
    binary = torch.stack([(p[0] + n[1:].sum()) / len(p) for p, n in zip(positives, negatives, strict=True)])
    loss = settings.listwise * listwise.sum() + settings.binary * binary.sum()
    first = sum(float(row.argmax() == 0) for row in rows)
    return loss, Told(float(listwise.detach().sum()), float(binary.detach().sum()), first)


def _rows(values: torch.Tensor, sizes: Sequence[int]) -> tuple[torch.Tensor, ...]:
    """The values of each row."""
    rows: tuple[torch.Tensor, ...] = values.split(list(sizes))  # type: ignore[no-untyped-call]
    return rows


def _parts(batch: PairBatch, rows: Sequence[range], graph_tokens: int) -> list[list[range]]:
    """Rows in parts whose tokens fit together, rows of similar length side by side so that there is little padding."""
    lengths = batch.pairs.tokens.lengths
    tokens = {row: int(lengths[row.start : row.stop].sum()) for row in rows}
    parts: list[list[range]] = []
    held = graph_tokens + 1
    for row in sorted(rows, key=lambda row: (-tokens[row], row.start)):
        if held + tokens[row] > graph_tokens:
            parts.append([])
            held = 0
        parts[-1].append(row)
        held += tokens[row]
    return parts
