"""What the runs of both trainers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tart.engines.hardware import Hardware
from tart_train.examples import DataError
from tart_train.mixture import Mixture
from tart_train.recipe import SamplingSettings
from tart_train.sampling import Schedule

MODEL = "model"


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        model: Folder of the saved model.
        step: The last one.
        finished: Whether that was the recipe's last.
        main: Whether this process is the first of several, the one that reports.
    """

    model: Path
    step: int
    finished: bool
    main: bool = True


def training_hardware(precision: str, device: str | None, threads: int | None) -> Hardware:
    """What a run computes on; float16, which would need loss scaling, becomes float32.

    Args:
        precision: "auto" or a number type.
        device: See `Hardware.choose`.
        threads: See `Hardware.choose`.
    """
    hardware = Hardware.choose(device, None if precision == "auto" else precision, threads)
    if hardware.dtype == "float16":
        hardware = Hardware(hardware.device, "float32", hardware.threads)
    hardware.pin_threads()
    return hardware


def check_licences(mixture: Mixture, allowed: tuple[str, ...]) -> None:
    """Refuses sets of other licence classes than a recipe allows.

    Raises:
        DataError: A set has another class, or none.
    """
    if not allowed:
        return
    for name, card in dict(mixture.card.get("sets", {})).items():
        found = card.get("licence_class", "unknown")
        if found not in allowed:
            raise DataError(
                f"{mixture.path}: the set {name!r} has the licence class {found!r}; the recipe allows "
                f"{', '.join(allowed)}; mine a mixture without it, or allow it"
            )


def schedule(mixture: Mixture, settings: SamplingSettings, seed: int, numbers: Sequence[int] | None = None) -> Schedule:
    """The batches of a mixture; groups of several sets may have one name and stay apart.

    Args:
        mixture: The examples.
        settings: The recipe's part.
        seed: The recipe's.
        numbers: Of the examples that are read; all by default.
    """
    tasks, datasets, groups = (mixture.column(name) for name in ("task", "dataset", "group"))
    kept = range(len(tasks)) if numbers is None else numbers
    return Schedule(
        [tasks[number] for number in kept],
        [f"{datasets[number]}\0{groups[number]}" if groups[number] else "" for number in kept],
        settings,
        seed,
    )
