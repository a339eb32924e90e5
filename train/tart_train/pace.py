"""When a run saves, scores and stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from transformers import TrainerCallback

from tart_train.recipe import CheckpointSettings


class Pace(TrainerCallback):
    """Tells the trainer after each step whether to save, to score, to stop.

    Args:
        settings: When to save.
        max_minutes: Stop cleanly after so long; None is never.
        dev_steps: Score every so many steps; 0 is never.
        on_dev: Is told the step to score.
        clock: Seconds.
    """

    def __init__(
        self,
        settings: CheckpointSettings,
        max_minutes: float | None,
        dev_steps: int,
        on_dev: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._max_seconds = None if max_minutes is None else 60 * max_minutes
        self._dev_steps = dev_steps
        self._on_dev = on_dev
        self._clock = clock
        self._began = self._saved = clock()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After the optimizer's step, before it is logged."""
        step, now = state.global_step, self._clock()
        stop = self._max_seconds is not None and now - self._began >= self._max_seconds
        minutes = self._settings.minutes
        save = stop or bool(minutes and now - self._saved >= 60 * minutes)
        # Clocks differ between processes; the first one decides.
        stop, save = _agreed(stop, save)
        if stop or step >= state.max_steps or (self._settings.steps and step % self._settings.steps == 0):
            save = True
        control.should_training_stop |= stop
        control.should_save |= save
        if save:
            self._saved = now
        if self._dev_steps and step % self._dev_steps == 0:
            self._on_dev(step)


def _agreed(*flags: bool) -> tuple[bool, ...]:
    """The first process's flags, on all of them."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return flags
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    told = torch.tensor(flags, dtype=torch.int32, device=device)
    dist.broadcast(told, src=0)
    return tuple(bool(flag) for flag in told.tolist())
