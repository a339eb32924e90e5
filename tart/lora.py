"""Low-rank adapters in the folder format of PEFT, merged into the weights that they adapt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from tart.errors import ModelError
from tart.model_folders import ADAPTER_CONFIG, read_json

ADAPTER_WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
# What would change the weights in another way than `merged` does.
_UNSUPPORTED = ("use_dora", "modules_to_save", "alpha_pattern", "rank_pattern", "fan_in_fan_out", "lora_bias")


def load_tensors(file: Path) -> dict[str, torch.Tensor]:
    """Named tensors of a weights file.

    Raises:
        ModelError: It is missing or damaged.
    """
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{file}: not a weights file ({error}); the model folder is damaged") from error


def merge_into(transformer: torch.nn.Module, folder: Path, scale: float = 1.0) -> None:
    """Adds an adapter to the weights of a module, in place; see `merged`."""
    weights = transformer.state_dict()
    changed = merged({name: tensor.float() for name, tensor in weights.items()}, folder, scale)
    transformer.load_state_dict({name: changed[name].to(tensor.dtype) for name, tensor in weights.items()})


def merged(weights: Mapping[str, torch.Tensor], folder: Path, scale: float = 1.0) -> dict[str, torch.Tensor]:
    """Weights with an adapter added: ``W + alpha / r * B @ A`` (Hu et al. 2021, equation 3).

    Args:
        weights: Of the base, in float32.
        folder: The adapter.
        scale: Of what is added.

    Raises:
        ModelError: The adapter is damaged, of an unknown kind, or made for another base.
    """
    config = read_json(folder / ADAPTER_CONFIG)
    _check(config, folder)
    adapter = load_tensors(folder / ADAPTER_WEIGHTS)
    result = dict(weights)
    pairs = [name for name in adapter if name.endswith(".lora_A.weight")]
    if not pairs or len(pairs) * 2 != len(adapter):
        raise _damaged(folder, "its tensors are not pairs of lora_A and lora_B")
    for name in pairs:
        target = name.removeprefix(PREFIX).removesuffix(".lora_A.weight") + ".weight"
        up = adapter.get(name.replace(".lora_A.", ".lora_B."))
        if up is None:
            raise _damaged(folder, f"{name} has no lora_B")
        if target not in result:
            raise _damaged(folder, f"it adapts {target}, which the base lacks")
        result[target] = result[target] + scale * _change(config, adapter[name], up, result[target].shape, folder)
    return result


def _change(
    config: Mapping[str, Any], down: torch.Tensor, up: torch.Tensor, shape: torch.Size, folder: Path
) -> torch.Tensor:
    rank = down.shape[0]
    if up.ndim != 2 or up.shape[1] != rank or (up.shape[0], down.shape[1]) != tuple(shape):
        raise _damaged(folder, f"it holds {tuple(up.shape)} x {tuple(down.shape)} for a weight of {tuple(shape)}")
    scale = float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)
    return scale * (up.float() @ down.float())


def _check(config: Mapping[str, Any], folder: Path) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise ModelError(f"{folder}: found an adapter of the kind {kind!r}; wanted LORA")
    if not isinstance(config.get("lora_alpha"), (int, float)):
        raise _damaged(folder, f"lora_alpha is {config.get('lora_alpha')!r}")
    used = [name for name in _UNSUPPORTED if config.get(name)]
    if used or config.get("bias", "none") != "none":
        raise ModelError(
            f"{folder}: the adapter uses {', '.join(used) or 'bias'}, which cannot be merged; train it plain"
        )


def _damaged(folder: Path, reason: str) -> ModelError:
    return ModelError(f"{folder}: the adapter is damaged or belongs to another base: {reason}; fetch or train it anew")
