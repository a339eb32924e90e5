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
from tart.lora import ADAPTER_WEIGHTS, merge_into
from tart.model_folders import ADAPTER_CONFIG
from tart.models import ADAPTER_FILE, MATRYOSHKA_FILE, ModelFolder
from tart_train.checkpoints import new_folder
from tart_train.run import MODEL
from tart_train.text_model import load_model, transformer_of


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
        CheckpointError: The disk is full.
        ModelError: There is no adapter, or something is in the way.
    """
    source = run / MODEL if (run / MODEL / ADAPTER_CONFIG).is_file() else run
    settings, tensors = _read(source)
    if out.exists():
        raise ModelError(f"{out} exists already; name another folder")
    with new_folder(out) as part:
        if whole:
            model = load_model(ModelFolder.open(base or settings["base_model_name_or_path"]), "cpu")
            merge_into(transformer_of(model), source, scale)
            model.save(str(part), create_model_card=False)
        else:
            scaled = {name: each * scale if ".lora_B." in name else each for name, each in tensors.items()}
            save_file(scaled, part / ADAPTER_WEIGHTS, metadata={"format": "pt"})
            for name in (ADAPTER_CONFIG, ADAPTER_FILE):
                if (source / name).is_file():
                    shutil.copy(source / name, part / name)
        for name in (FILE_NAME, MATRYOSHKA_FILE, "README.md"):
            if (source / name).is_file():
                shutil.copy(source / name, part / name)
    return out


def _read(source: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        settings: dict[str, Any] = json.loads((source / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        return settings, load_file(source / ADAPTER_WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"{source}: found no adapter ({error}); wanted the folder of a finished LoRA run") from error
