"""LoRA adapters: put into a model, merged for the length of a step, saved as PEFT reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tart.errors import DependencyError
from tart.lora import ADAPTER_WEIGHTS, PREFIX
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


class _MergedLinear(torch.autograd.Function):
    """y = x (W + s B A)^T + b as one dense product, with gradients for x, A and B alone.

    With dy the gradient of y: dA = s (dy B)^T x and dB = s dy^T (x A^T), so the dense gradient dy^T x, which is ten
    times the work, is never made.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        whole: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """Shape: x (..., in) -> (..., out)."""
        x = x.to(whole.dtype)
        ctx.save_for_backward(x, whole, a, b)
        ctx.scale = scale
        return torch.nn.functional.linear(x, whole, bias)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of x, A and B."""
        x, whole, a, b = ctx.saved_tensors
        rows, outs = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        da = ctx.scale * ((outs @ b.to(dy.dtype)).T @ rows).to(a.dtype)
        db = ctx.scale * (outs.T @ (rows @ a.to(x.dtype).T)).to(b.dtype)
        dx = dy @ whole if ctx.needs_input_grad[0] else None
        return dx, None, None, da, db, None


@contextmanager
def merged(model: torch.nn.Module, dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Runs the block with W + s B A as dense weights, made once: within a step the adapters do not change.

    Plain adapters cost three products at every call; here it is one. The gradients are the same.

    Args:
        model: With adapters.
        dtype: Number type of the dense weights.
    """
    layers = lora_layers(model)
    for layer in layers:
        with torch.no_grad():
            whole = (layer.base_layer.weight + layer.get_delta_weight(ADAPTER)).to(dtype)
        bias = None if layer.base_layer.bias is None else layer.base_layer.bias.detach().to(dtype)
        a, b = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
        # An attribute of the instance hides the class's method for the length of the block.
        layer.forward = partial(_run, whole, bias, a, b, layer.scaling[ADAPTER])
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _run(
    whole: torch.Tensor, bias: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor, scale: float, x: torch.Tensor
) -> Any:
    return _MergedLinear.apply(x, whole, bias, a, b, scale)  # type: ignore[no-untyped-call]


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
        PREFIX + name: (tensor * scale if ".lora_B" in name else tensor).detach().cpu().contiguous()
        for name, tensor in state.items()
    }
    save_file(tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    was = config.inference_mode
    config.inference_mode = True
    try:
        config.save_pretrained(str(folder))
    finally:
        config.inference_mode = was
