"""GradCache (Gao et al. 2021, arXiv 2101.06983): a batch of any size in the memory of one chunk, over any processes.

Every process knows the whole batch and embeds its share of the chunks. The vectors are gathered, each process computes
the whole loss and its gradient by the vectors, and carries the gradients of its own vectors back; the parameters'
gradients are summed. That is exactly what one process with the whole batch computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from tart.tokens import Tokens
from tart_train.text_model import TextModel

LossOfVectors: TypeAlias = "Callable[[torch.Tensor], tuple[torch.Tensor, dict[str, float]]]"


class GradCache:
    """Adds a batch's gradients to the parameters.

    Args:
        text_model: What embeds.
        keep_graph: Embed once and keep the graph of all own chunks, where the memory holds it.
        around: A context that each step runs in, for example merged adapters.
    """

    def __init__(
        self,
        text_model: TextModel,
        *,
        keep_graph: bool = False,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._text_model = text_model
        self._keep_graph = keep_graph
        self._around = around

    def step(self, tokens: Tokens, loss: LossOfVectors) -> tuple[float, dict[str, float]]:
        """One batch: vectors, loss, gradients.

        Args:
            tokens: The whole batch's texts, the same ones on every process.
            loss: The loss of the texts' vectors.

        Returns:
            The loss and what the loss function tells besides.
        """
        chunks = self._text_model.chunks(tokens)
        own = chunks[_rank() :: _world()]
        with self._around():
            cached = self._graph_less_forward(tokens, own) if not self._keep_graph else self._forward(tokens, own)
            vectors = gathered([each.detach() for each in cached], chunks).requires_grad_()
            value, told = loss(vectors)
            value.backward()  # type: ignore[no-untyped-call]
            gradients = vectors.grad
            if gradients is None:
                raise RuntimeError("the loss does not depend on the vectors")
            for n, chunk in enumerate(own):
                output = cached[n] if self._keep_graph else self._text_model.embed(tokens, chunk)
                torch.autograd.backward(output, gradients[torch.from_numpy(chunk).to(gradients.device)])
        self._sum_gradients()
        return value.item(), told

    def _forward(self, tokens: Tokens, chunks: Sequence[NDArray[np.int64]]) -> list[torch.Tensor]:
        return [self._text_model.embed(tokens, chunk) for chunk in chunks]

    @torch.no_grad()
    def _graph_less_forward(self, tokens: Tokens, chunks: Sequence[NDArray[np.int64]]) -> list[torch.Tensor]:
        return self._forward(tokens, chunks)

    def _sum_gradients(self) -> None:
        """Sums the gradients over the processes, in one call."""
        if _world() == 1:
            return
        parameters = [each for each in self._text_model.model.parameters() if each.requires_grad]
        grads = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        flat = torch.cat([grad.reshape(-1) for grad in grads])
        dist.all_reduce(flat)
        for parameter, part in zip(parameters, flat.split([grad.numel() for grad in grads]), strict=True):
            parameter.grad = part.view_as(parameter).clone()


def gathered(own: Sequence[torch.Tensor], chunks: Sequence[NDArray[np.int64]]) -> torch.Tensor:
    """The vectors of all chunks, of which this process has every n-th, in the order of the texts.

    Args:
        own: Vectors of this process's chunks.
        chunks: Of all processes.

    Returns:
        Shape: (n_texts, dim).
    """
    order = np.concatenate(chunks)
    if _world() == 1:
        found = torch.cat(list(own))
    else:
        order = np.concatenate([row for rank in range(_world()) for row in chunks[rank :: _world()]])
        found = torch.cat(_all_gather(own, chunks))
    vectors = torch.empty_like(found)
    vectors[torch.from_numpy(order).to(found.device)] = found
    return vectors


def _all_gather(own: Sequence[torch.Tensor], chunks: Sequence[NDArray[np.int64]]) -> list[torch.Tensor]:
    """Vectors of every rank's chunks; each sends as many rows as the largest share has, the surplus is dropped."""
    shares = [sum(len(chunk) for chunk in chunks[rank :: _world()]) for rank in range(_world())]
    if not own:
        raise RuntimeError("a process got no chunk: there are more processes than chunks; lower chunk_tokens")
    mine = torch.cat(list(own))
    padded = mine.new_zeros(max(shares), mine.shape[1])
    padded[: len(mine)] = mine
    every = [torch.empty_like(padded) for _ in shares]
    dist.all_gather(every, padded)
    return [each[:share] for each, share in zip(every, shares, strict=True)]


def _world() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
