"""What every benchmark needs: the machine, medians with their range, and a report in Markdown and JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any, NamedTuple

import torch

_LIBRARIES = (
    "tart-retrieval",
    "torch",
    "sentence-transformers",
    "transformers",
    "tokenizers",
    "numpy",
    "pyarrow",
)


class Spread(NamedTuple):
    """Several runs of one measurement."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Median and range."""
        return cls(statistics.median(values), min(values), max(values))

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


def machine(libraries: Sequence[str] = ()) -> dict[str, str]:
    """Processor, memory and versions, as a report names them; `libraries` are named besides the usual ones."""
    capabilities = torch.cpu.get_capabilities()
    flags = [flag for flag in ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16") if capabilities.get(flag)]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {' '.join(flags)}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "libraries": ", ".join(f"{name} {version(name)}" for name in (*_LIBRARIES, *_faiss(), *libraries)),
    }


def _faiss() -> list[str]:
    """The wheel of FAISS that is installed: the CPU's or one of the GPU's."""
    return [str(one.metadata["Name"]) for one in distributions() if str(one.metadata["Name"]).startswith("faiss-")]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def in_turn(measurements: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Spread]:
    """Runs each measurement once to warm up, then all in turn, so that a drift of the machine hits all alike."""
    for measure in measurements.values():
        measure()
    values: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measure in measurements.items():
            values[name].append(measure())
    return {name: Spread.of(found) for name, found in values.items()}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "--:|" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def write(
    folder: Path,
    title: str,
    body: str,
    figures: Mapping[str, Any],
    name: str = "report",
    libraries: Sequence[str] = (),
) -> None:
    """Writes NAME.md and NAME.json and shows the first; `libraries` are named besides the usual ones."""
    told = machine(libraries)
    about = table(["machine", ""], list(told.items())).replace("--:", "---")
    text = f"# {title}\n\n{body}\n\n{about}\n"
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps({"machine": told, **figures}, indent=1) + "\n", encoding="utf-8")
    print(text)
