"""What this machine has, and what will therefore be used."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import torch
from huggingface_hub.constants import HF_HUB_CACHE

from tart import __version__
from tart.control_groups import allowed_cpus
from tart.engines import Hardware, packed_bert
from tart.engines.hardware import available_cpus, cpu_multiplies_bfloat16
from tart.engines.linear import onednn_linear_works
from tart.errors import DependencyError, TartError
from tart.models import DEFAULT_MODEL, ModelFolder
from tart_index.exact import import_faiss
from tart_index.gpus import gpu_facts
from tart_index.planning.machine import free_disk, free_memory

_FLAGS = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_HEEDED = {"RAYON_NUM_THREADS": " (of the tokenizer)"}
_UNHEEDED = " (not heeded; say --threads)"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", *_HEEDED)
_FAISS_WHEELS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs")


def examine(model: str = DEFAULT_MODEL) -> dict[str, dict[str, Any]]:
    """Findings by topic; values are JSON scalars and lists.

    Args:
        model: The model whose engine is told.
    """
    told = _model(model)
    return {
        "program": {"tart": __version__, "python": platform.python_version(), "system": platform.platform()},
        "processor": _processor(),
        "memory": _memory(),
        "torch": _torch(),
        "faiss": _faiss(),
        "model": told,
        "used": _used(told),
    }


def _processor() -> dict[str, Any]:
    capabilities = _capabilities()
    return {
        "name": capabilities.get("cpu_name") or platform.processor() or platform.machine(),
        "of the machine": os.cpu_count(),
        "available": available_cpus(),
        "limited by": _thread_limits(),
        "flags": [flag for flag in _FLAGS if capabilities.get(flag)],
        "multiplies bfloat16": cpu_multiplies_bfloat16(),
    }


def _capabilities() -> Mapping[str, Any]:
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}


def _thread_limits() -> list[str]:
    """What sets the number of threads, or looks as if it did."""
    found = []
    if hasattr(os, "sched_getaffinity") and (affinity := len(os.sched_getaffinity(0))) < (os.cpu_count() or 1):
        found.append(f"affinity: {affinity}")
    if (allowed := allowed_cpus()) is not None:
        found.append(f"control group (cgroup): {allowed}")
    told = ((name, os.environ.get(name)) for name in _THREAD_VARIABLES)
    return [*found, *(f"{name}={value}{_HEEDED.get(name, _UNHEEDED)}" for name, value in told if value)]


def _memory() -> dict[str, Any]:
    free = free_memory()
    found: dict[str, Any] = {}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory, GiB"] = _gib(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    found |= {"memory free, GiB": _gib(free.bytes), "memory limited by": free.limit}
    places = {"here": Path.cwd(), "models of the hub": Path(HF_HUB_CACHE), "temporary files": Path(gettempdir())}
    return found | {f"disk free, {name}, GiB": _gib(free_disk(place)) for name, place in places.items()}


def _torch() -> dict[str, Any]:
    devices = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return {
        "version": torch.__version__,
        "built for": f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU",
        "processor level": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "onednn linear, float32": onednn_linear_works(torch.float32),
        "onednn linear, bfloat16": onednn_linear_works(torch.bfloat16),
        "cuda": torch.version.cuda,
        "gpus": [f"{device.name}, {_gib(device.total_memory)} GiB" for device in devices],
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


def _used(model: Mapping[str, Any]) -> dict[str, Any]:
    hardware = Hardware.choose()
    return {
        "engine": model.get("engine", "none"),
        "device": hardware.device,
        "dtype": hardware.dtype,
        "threads": hardware.threads,
        "faiss processor level": _faiss_level(),
    }


def _faiss_level() -> str:
    """The instruction set that FAISS computes with."""
    try:
        levels = getattr(import_faiss(), "SIMDConfig", None)
    except DependencyError:
        return "none"
    # FAISS before 1.13 has one library for each level and does not tell which it took.
    return "not told" if levels is None else str(levels.get_level_name())


def _gib(count: int) -> float:
    return round(count / 2**30, 1)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
