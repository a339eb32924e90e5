"""What this machine can do, and what is therefore used: device, number type, threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import torch

from tart.control_groups import allowed_cpus
from tart.engines.share import use_threads
from tart.errors import ModelError

DtypeName = Literal["float32", "bfloat16", "float16"]
_DTYPES: dict[DtypeName, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_SHORT: dict[str, DtypeName] = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and in which number type a model runs.

    Attributes:
        device: A torch device string ("cpu", "cuda", "cuda:1", "mps").
        dtype: Number type of weights and activations; vectors are always float32.
        threads: CPU threads of matrix products.
    """

    device: str
    dtype: DtypeName
    threads: int

    @property
    def torch_dtype(self) -> torch.dtype:
        """The number type as torch names it."""
        return _DTYPES[self.dtype]

    @classmethod
    def choose(cls, device: str | None = None, dtype: str | None = None, threads: int | None = None) -> Hardware:
        """Takes what the caller fixes and chooses the rest by what the hardware really does well.

        Args:
            device: None and "auto" choose CUDA, else MPS, else the CPU.
            dtype: None chooses bfloat16 where the hardware multiplies it natively (Ampere or newer, AVX512-BF16, AMX).
            threads: None takes the processors that this process may use.

        Raises:
            ModelError: The device is not here, or the number type or thread count is not valid.
        """
        chosen = _device(device)
        if threads is not None and threads < 1:
            raise ModelError(f"threads is {threads}; wanted 1 or more")
        return cls(chosen, _dtype(dtype, chosen), threads or available_cpus())

    def pin_threads(self) -> None:
        """Sets the threads of torch, within this thread's share, and of the tokenizer before its first use."""
        os.environ.setdefault("RAYON_NUM_THREADS", str(self.threads))
        use_threads(self.threads)


def available_cpus() -> int:
    """Processors that this process may run on, no more than its control groups give it time of."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(here, allowed_cpus() or here)


def cpu_multiplies_bfloat16() -> bool:
    """Whether the CPU has AVX512-BF16 or AMX; without them bfloat16 is emulated and many times slower."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _device(asked: str | None) -> str:
    if asked is None or asked == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind = asked.partition(":")[0]
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in here:
        raise ModelError(f"no device {asked!r}; wanted auto, cpu, cuda, cuda:N or mps")
    if not here[kind]:
        raise ModelError(
            f"device {asked!r} is not on this machine (torch {torch.__version__}); leave it out or say cpu"
        )
    return asked


def _dtype(asked: str | None, device: str) -> DtypeName:
    if asked is not None:
        name = _SHORT.get(asked, asked)
        if name not in _DTYPES:
            raise ModelError(f"no number type {asked!r}; wanted one of {', '.join([*_DTYPES, *_SHORT])}")
        return name
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device == "cpu" and cpu_multiplies_bfloat16():
        return "bfloat16"
    return "float32"
