"""BERT encoders without padding: all tokens of a batch lie in one row of tokens.

Every matrix product runs over (tokens, width), so no work is spent on padding; attention runs per group of texts of
equal length, which a length-sorted batch has few of. Weights, layer norms and pooling follow Devlin et al. 2019 and
the pooling module of sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name that every reader of torch code knows)
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tart.engines.hardware import Hardware
from tart.engines.linear import Linear
from tart.errors import ModelError
from tart.lora import load_tensors, merged
from tart.models import ModelFolder
from tart.tokens import read_tokenizer

# Measured (bench/encode): activations of about 1k tokens stay in a CPU's cache; a GPU wants far more at once.
_CPU_TOKEN_BUDGET = 1_024
_GPU_TOKEN_BUDGET = 65_536
# Sizes are rounded up to a quarter of the power of two below them, at least to the first number, at most to the second.
_LEAST_STEP = 4
_MOST_STEP = 128


def supports(folder: ModelFolder) -> bool:
    """Whether this engine computes exactly what the model's own code would."""
    return (
        supports_layers(folder.config)
        and folder.pooling in ("mean", "cls")
        and set(folder.modules) <= {"Transformer", "Pooling", "Normalize"}
        and (folder.path / "model.safetensors").is_file()
        and (folder.path / "tokenizer.json").is_file()
    )


def supports_layers(config: Mapping[str, Any]) -> bool:
    """Whether `PackedLayers` computes what a transformer of these settings would."""
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
    )


class _Norm(NamedTuple):
    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: Linear
    attention_output: Linear
    attention_norm: _Norm
    intermediate: Linear
    output: Linear
    output_norm: _Norm


class _Group(NamedTuple):
    """Adjacent texts of one length."""

    start: int
    texts: int
    length: int

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + self.texts * self.length)


class PackedLayers:
    """A BERT transformer over packed tokens: ids in, token states out.

    Args:
        name: Of the model, for errors.
        config: The transformer's settings.
        tensors: Its weights by name, with or without the prefix ``bert.``.
        hardware: Where and in which number type it runs.

    Raises:
        ModelError: The weights lack a tensor that the settings promise.
    """

    def __init__(
        self, name: str, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], hardware: Hardware
    ) -> None:
        hardware.pin_threads()
        self._hardware = hardware
        self._heads = int(config["num_attention_heads"])
        weights = _Weights(name, config, tensors, hardware)
        self._words = weights("embeddings.word_embeddings.weight")
        types = weights("embeddings.token_type_embeddings.weight")
        self._positions = weights("embeddings.position_embeddings.weight") + types[0]
        self._types = types - types[0]
        self._norm = weights.norm("embeddings.LayerNorm")
        self._layers = [weights.layer(number) for number in range(int(config["num_hidden_layers"]))]

    @property
    def width(self) -> int:
        """Length of a token's state."""
        return int(self._words.shape[1])

    @property
    def token_budget(self) -> int:
        """Tokens per batch that are fastest on this device."""
        return _CPU_TOKEN_BUDGET if self._hardware.device == "cpu" else _GPU_TOKEN_BUDGET

    def __call__(
        self, texts: Sequence[NDArray[np.int32]], types: NDArray[np.int32] | None = None
    ) -> tuple[torch.Tensor, list[_Group]]:
        """States of all tokens of a batch.

        Args:
            texts: Token ids of each text.
            types: Token types of all texts in a row; 0 everywhere by default.

        Returns:
            States, shape (tokens and some filler, width), and which rows are whose.
        """
        groups = list(_groups(texts))
        device = self._hardware.device
        filler = np.zeros(_filler(groups[-1].rows.stop), dtype=np.int32)
        ids = torch.from_numpy(np.concatenate([*texts, filler])).to(device)
        places = [torch.arange(group.length).repeat(group.texts) for group in groups]
        positions = torch.cat([*places, torch.from_numpy(filler)]).to(device)
        x = F.embedding(ids, self._words) + F.embedding(positions, self._positions)
        if types is not None:
            x = x + F.embedding(torch.from_numpy(np.concatenate([types, filler])).to(device), self._types)
        x = self._norm(x)
        attention = _grouped_attention if device == "cpu" else _padded_attention
        for layer in self._layers:
            context = attention(layer.qkv(x), groups, self._heads)
            x = layer.attention_norm(x + layer.attention_output(context))
            x = layer.output_norm(x + layer.output(layer.intermediate(x)))
        return x, groups


class PackedBert:
    """A BERT bi-encoder over packed tokens.

    Raises:
        ModelError: The weights lack a tensor that the settings promise.
    """

    def __init__(self, folder: ModelFolder, hardware: Hardware) -> None:
        self._mean_pooling = folder.pooling == "mean"
        tensors = load_tensors(folder.path / "model.safetensors")
        if folder.adapter is not None:
            tensors = merged(tensors, folder.adapter)
        self._layers = PackedLayers(folder.name, folder.config, tensors, hardware)
        self._tokenizer = read_tokenizer(folder.path / "tokenizer.json")

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._layers.width

    @property
    def token_budget(self) -> int:
        """Tokens per batch at which this engine is fastest on its device."""
        return self._layers.token_budget

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer."""
        return self._tokenizer

    @torch.inference_mode()
    def embed(self, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        """Embeds one batch; see `Engine.embed`."""
        x, groups = self._layers(texts)
        vectors = F.normalize(torch.cat(list(self._pool(x, groups, skip))), dim=1)
        return vectors.cpu().numpy()

    def _pool(self, x: torch.Tensor, groups: Sequence[_Group], skip: Sequence[int]) -> Iterator[torch.Tensor]:
        """One float32 vector a text: the first token's, or the mean over all tokens behind the skipped ones."""
        first = 0
        for group in groups:
            tokens = x[group.rows].view(group.texts, group.length, -1).float()
            left_out = skip[first : first + group.texts]
            first += group.texts
            if not self._mean_pooling:
                yield tokens[:, 0]
            elif not any(left_out):
                yield tokens.mean(dim=1)
            else:
                yield torch.stack([text[n:].mean(dim=0) for text, n in zip(tokens, left_out, strict=True)])


class _Weights:
    """Named tensors of a checkpoint, placed and cast."""

    def __init__(
        self, name: str, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], hardware: Hardware
    ) -> None:
        self._name = name
        self._config = config
        self._tensors = tensors
        self._hardware = hardware

    def __call__(self, name: str) -> torch.Tensor:
        found = self._tensors.get(name, self._tensors.get("bert." + name))
        if found is None:
            raise ModelError(f"model {self._name!r}: model.safetensors lacks {name}; the model folder is damaged")
        return found.to(self._hardware.device, self._hardware.torch_dtype)

    def norm(self, name: str) -> _Norm:
        eps = float(self._config.get("layer_norm_eps", 1e-12))
        return _Norm(self(name + ".weight"), self(name + ".bias"), eps)

    def linear(self, *names: str, gelu: bool = False) -> Linear:
        """One product for several projections of the same input."""
        weight = torch.cat([self(name + ".weight") for name in names])
        bias = torch.cat([self(name + ".bias") for name in names])
        return Linear(weight, bias, gelu=gelu)

    def layer(self, number: int) -> _Layer:
        prefix = f"encoder.layer.{number}."
        attention = prefix + "attention.self."
        return _Layer(
            qkv=self.linear(attention + "query", attention + "key", attention + "value"),
            attention_output=self.linear(prefix + "attention.output.dense"),
            attention_norm=self.norm(prefix + "attention.output.LayerNorm"),
            intermediate=self.linear(prefix + "intermediate.dense", gelu=True),
            output=self.linear(prefix + "output.dense"),
            output_norm=self.norm(prefix + "output.LayerNorm"),
        )


def _filler(tokens: int) -> int:
    """Tokens to add, so that few different sizes reach the matrix kernels, which keep compiled code for each.

    That code takes about 3 MB a size, and the first batch of a size waits for it, 10 ms; a token more costs 0.3 ms.
    """
    step = (1 << (tokens - 1).bit_length()) // 8
    return -tokens % min(max(step, _LEAST_STEP), _MOST_STEP)


def _groups(texts: Sequence[NDArray[np.int32]]) -> Iterator[_Group]:
    start = 0
    for length, same in groupby(len(text) for text in texts):
        group = _Group(start, sum(1 for _ in same), length)
        start = group.rows.stop
        yield group


def _grouped_attention(qkv: torch.Tensor, groups: Sequence[_Group], heads: int) -> torch.Tensor:
    """Attention within each text, one call per length: no padding, no mask.

    Shape: qkv (tokens, 3 * width) -> (tokens, width).
    """
    context = qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)
    context[groups[-1].rows.stop :] = 0
    for group in groups:
        shape = (group.texts, group.length, 3, heads, -1)
        query, key, value = qkv[group.rows].view(shape).permute(2, 0, 3, 1, 4)
        result = F.scaled_dot_product_attention(query, key, value)
        context[group.rows].view(group.texts, group.length, heads, -1).copy_(result.transpose(1, 2))
    return context


def _padded_attention(qkv: torch.Tensor, groups: Sequence[_Group], heads: int) -> torch.Tensor:
    """The same in one call over padded texts with a mask: a GPU wants few, large kernels.

    Shape: qkv (tokens, 3 * width) -> (tokens, width).
    """
    lengths = torch.tensor([group.length for group in groups for _ in range(group.texts)], device=qkv.device)
    keep = torch.arange(int(lengths.max()), device=qkv.device) < lengths[:, None]
    padded = qkv.new_zeros(*keep.shape, qkv.shape[1])
    padded[keep] = qkv[: groups[-1].rows.stop]
    query, key, value = padded.view(*keep.shape, 3, heads, -1).permute(2, 0, 3, 1, 4)
    result = F.scaled_dot_product_attention(query, key, value, attn_mask=keep[:, None, None, :])
    context = qkv.new_zeros(qkv.shape[0], qkv.shape[1] // 3)
    context[: groups[-1].rows.stop] = result.transpose(1, 2).flatten(2)[keep]
    return context
