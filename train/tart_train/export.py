"""A trained adapter, scaled or merged into its base model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tart.errors import ModelError
from tart.formats import FILE_NAME
from tart.models import ADAPTER_FILE, ModelFolder
from tart_train.checkpoints import publish
from tart_train.dual import MODEL
from tart_train.text_model import load_model, transformer_of

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."


def export(run: Path, out: Path, *, scale: float = 1.0, whole: bool = False, base: str | None = None) -> Path:
    """Writes a model of a run.

    Args:
        run: A run's folder, or the folder of an adapter.
        out: Where the model goes; must not exist.
        scale: Of what was learned: 0 is the base model, 1 the trained one. Between them lie models that keep more of
            the base's abilities (Wortsman et al. 2022, WiSE-FT, arXiv 2109.01903).
        whole: Write a sentence-transformers folder with the adapter merged into the base, which any tool loads.
        base: Where the base model is now; by default as the adapter names it.

    Raises:
        ModelError: There is no adapter, or something is in the way.
    """
    source = run / MODEL if (run / MODEL / CONFIG).is_file() else run
    settings, tensors = _read(source)
    if out.exists():
        raise ModelError(f"{out} exists already; name another folder")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        if whole:
            _write_whole(settings, tensors, base, scale, part)
        else:
            scaled = {name: each * scale if ".lora_B." in name else each for name, each in tensors.items()}
            save_file(scaled, part / WEIGHTS, metadata={"format": "pt"})
            for name in (CONFIG, ADAPTER_FILE):
                if (source / name).is_file():
                    shutil.copy(source / name, part / name)
        for name in (FILE_NAME, "README.md"):
            if (source / name).is_file():
                shutil.copy(source / name, part / name)
        publish(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _read(source: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        settings: dict[str, Any] = json.loads((source / CONFIG).read_text(encoding="utf-8"))
        return settings, load_file(source / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"{source}: found no adapter ({error}); wanted the folder of a finished LoRA run") from error


def _write_whole(
    settings: dict[str, Any], tensors: dict[str, torch.Tensor], base: str | None, scale: float, part: Path
) -> None:
    """The base model with W + scale * alpha/r * B A as its weights."""
    model = load_model(ModelFolder.open(base or settings["base_model_name_or_path"]), "cpu")
    modules = dict(transformer_of(model).named_modules())
    factor = scale * settings["lora_alpha"] / settings["r"]
    for name, a in tensors.items():
        if ".lora_A." not in name:
            continue
        layer = name.removeprefix(_PREFIX).partition(".lora_A.")[0]
        b = tensors[name.replace(".lora_A.", ".lora_B.")]
        with torch.no_grad():
            modules[layer].weight.add_(factor * (b @ a))
    model.save(str(part), create_model_card=False)
