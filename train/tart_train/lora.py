"""LoRA adapters: put into a model, merged for the length of a step, saved as PEFT reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tart.errors import DependencyError
from tart_train.recipe import LoraSettings, RecipeError

ADAPTER = "default"


def add_adapters(transformer: torch.nn.Module, settings: LoraSettings, base: str) -> Any:
    """Puts trainable adapters into a transformer; everything else is frozen.

    Returns:
        The PEFT configuration, which belongs into the adapter's folder.

    Raises:
        RecipeError: No layer has the name of a target.
        DependencyError: PEFT is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise DependencyError("LoRA needs `peft`; install it: pip install 'tart-retrieval[train]'") from error
    names = [name for name, module in transformer.named_modules() if isinstance(module, torch.nn.Linear)]
    for target in settings.targets:
        if not any(name == target or name.endswith("." + target) for name in names):
            raise RecipeError(f"lora.targets names {target!r}, but no linear layer ends so; there are {names[:8]}")
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        target_modules=list(settings.targets),
        lora_dropout=0.0,
        bias="none",
        task_type="FEATURE_EXTRACTION",
        base_model_name_or_path=base,
        inference_mode=False,
    )
    inject_adapter_in_model(config, transformer, ADAPTER)
    return config


def lora_layers(model: torch.nn.Module) -> list[Any]:
    """The layers that carry an adapter."""
    return [module for module in model.modules() if hasattr(module, "lora_A") and hasattr(module, "base_layer")]


@contextmanager
def merged(model: torch.nn.Module) -> Iterator[None]:
    """Runs the block with W + s B A as dense weights, and turns their gradients into those of A and B at its end.

    Within a step the adapters do not change, so the sum is made once and not at every call: dA = s B^T dW and
    dB = s dW A^T, which is what the backward pass through the sum computes.
    """
    layers = lora_layers(model)
    frozen = [layer.base_layer.weight for layer in layers]
    with torch.enable_grad():
        wholes = [layer.base_layer.weight + layer.get_delta_weight(ADAPTER) for layer in layers]
    for layer, whole in zip(layers, wholes, strict=True):
        layer.base_layer.weight = torch.nn.Parameter(whole.detach())
        layer.merged_adapters.append(ADAPTER)
    dense = [layer.base_layer.weight for layer in layers]
    try:
        yield
    finally:
        for layer, weight in zip(layers, frozen, strict=True):
            layer.base_layer.weight = weight
            layer.merged_adapters.clear()
    pairs = [(whole, leaf.grad) for whole, leaf in zip(wholes, dense, strict=True) if leaf.grad is not None]
    if pairs:
        torch.autograd.backward([whole for whole, _ in pairs], [grad for _, grad in pairs])


@contextmanager
def without_adapters(model: torch.nn.Module) -> Iterator[None]:
    """Runs the block with the base model's weights; not within `merged`."""
    layers = lora_layers(model)
    for layer in layers:
        layer.enable_adapters(enabled=False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(enabled=True)


def save_adapter(transformer: torch.nn.Module, config: Any, folder: Path, scale: float = 1.0) -> None:
    """Writes ``adapter_config.json`` and ``adapter_model.safetensors`` as PEFT does.

    Args:
        transformer: With adapters.
        config: From `add_adapters`.
        folder: Must exist.
        scale: Of the contribution; below 1 the model lies between base and trained (Wortsman et al. 2022, WiSE-FT).
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    state = get_peft_model_state_dict(transformer, adapter_name=ADAPTER, save_embedding_layers=False)
    tensors = {
        f"base_model.model.{name}": (tensor * scale if ".lora_B" in name else tensor).detach().cpu().contiguous()
        for name, tensor in state.items()
    }
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    was = config.inference_mode
    config.inference_mode = True
    try:
        config.save_pretrained(str(folder))
    finally:
        config.inference_mode = was
