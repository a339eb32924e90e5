"""What this machine has, and what will therefore be used."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from tart import __version__
from tart.engines import Hardware, packed_bert
from tart.engines.hardware import available_cpus, cpu_multiplies_bfloat16
from tart.engines.linear import onednn_linear_works
from tart.errors import DependencyError, TartError
from tart.models import DEFAULT_MODEL, ModelFolder
from tart_index.exact import import_faiss
from tart_index.gpus import gpu_facts

_FLAGS = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_FAISS_WHEELS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs")


def examine(model: str = DEFAULT_MODEL) -> dict[str, dict[str, Any]]:
    """Findings by topic; values are JSON scalars and lists.

    Args:
        model: The model whose engine is told.
    """
    return {
        "program": {"tart": __version__, "python": platform.python_version(), "system": platform.platform()},
        "processor": _processor(),
        "memory": _memory(),
        "torch": _torch(),
        "faiss": _faiss(),
        "model": _model(model),
        "used": _used(),
    }


def _processor() -> dict[str, Any]:
    capabilities: Mapping[str, Any] = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return {
        "name": capabilities.get("cpu_name") or platform.processor() or platform.machine(),
        "available": available_cpus(),
        "flags": [flag for flag in _FLAGS if capabilities.get(flag)],
        "multiplies bfloat16": cpu_multiplies_bfloat16(),
    }


def _memory() -> dict[str, Any]:
    found: dict[str, Any] = {"disk free here, GiB": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1)}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory, GiB"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return found


def _torch() -> dict[str, Any]:
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "version": torch.__version__,
        "threads": torch.get_num_threads(),
        "onednn linear, float32": onednn_linear_works(torch.float32),
        "onednn linear, bfloat16": onednn_linear_works(torch.bfloat16),
        "cuda": torch.version.cuda,
        "gpus": gpus,
        "mps": torch.backends.mps.is_available(),
    }


def _faiss() -> dict[str, Any]:
    wheels = [f"{name} {installed}" for name in _FAISS_WHEELS if (installed := _version(name))]
    try:
        faiss = import_faiss()
    except DependencyError as error:
        return {"problem": str(error)}
    found: dict[str, Any] = {
        "installed": wheels,
        "compiled for": faiss.get_compile_options().strip(),
        **gpu_facts(),
    }
    if len(wheels) > 1:
        found["problem"] = "several wheels provide the module faiss; uninstall all of them and install exactly one"
    return found


def _model(name: str) -> dict[str, Any]:
    try:
        folder = ModelFolder.open(name)
    except TartError as error:
        return {"name": name, "problem": str(error)}
    return {
        "name": name,
        "engine": "packed BERT" if packed_bert.supports(folder) else "sentence-transformers",
        "tokens": folder.max_length,
        "input format": folder.input_format.name,
    }


def _used() -> dict[str, Any]:
    hardware = Hardware.choose()
    return {"device": hardware.device, "dtype": hardware.dtype, "threads": hardware.threads}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
