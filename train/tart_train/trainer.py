"""The sentence-transformers trainer, with batches, steps and checkpoints of our own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from torch.utils.data import DataLoader, IterableDataset
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from transformers.trainer_utils import SaveStrategy

from tart_train.checkpoints import new_checkpoint
from tart_train.recipe import OptimizerSettings
from tart_train.training_log import TrainingLog

WEIGHTS, STATE = "weights.safetensors", "trainer_state.json"


def training_arguments(
    run: Path, steps: int, batch_size: int, seed: int, optimizer: OptimizerSettings, *, cpu: bool
) -> SentenceTransformerTrainingArguments:
    """What the trainer's own loop needs to know; everything else is the recipe's."""
    return SentenceTransformerTrainingArguments(
        output_dir=str(run),
        max_steps=steps,
        per_device_train_batch_size=batch_size,
        learning_rate=optimizer.learning_rate,
        lr_scheduler_type=optimizer.schedule,
        warmup_steps=round(optimizer.warmup * steps),
        weight_decay=optimizer.weight_decay,
        max_grad_norm=optimizer.max_grad_norm,
        seed=seed,
        use_cpu=cpu,
        save_strategy=SaveStrategy.NO,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        # Batches are a function of the step: there is nothing to skip.
        ignore_data_skip=True,
        dataloader_pin_memory=False,
    )


class _Batches(IterableDataset[Any]):
    """The batches from the trainer's present step to the last."""

    def __init__(self, batches: Callable[[int], Iterator[Any]], step: Callable[[], int], total: int) -> None:
        self._batches = batches
        self._step = step
        self._total = total

    def __iter__(self) -> Iterator[Any]:
        start = self._step()
        for _, batch in zip(range(start, self._total), self._batches(start), strict=False):
            yield batch

    def __len__(self) -> int:
        return self._total


class Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """Runs the loop; a step adds the gradients of a batch by itself.

    Args:
        model: A sentence-transformers model.
        arguments: From `training_arguments`.
        batches: From a step on.
        step: Adds a batch's gradients; gives loss, other values to log, and tokens read.
        log: Where the values go.
        recipe: As a mapping, bound to every checkpoint.
        keep: Checkpoints that stay.
        callbacks: Of transformers.
    """

    def __init__(
        self,
        model: Any,
        arguments: SentenceTransformerTrainingArguments,
        *,
        batches: Callable[[int], Iterator[Any]],
        step: Callable[[Any], tuple[float, Mapping[str, float], int]],
        log: TrainingLog,
        recipe: Mapping[str, Any],
        keep: int,
        callbacks: list[TrainerCallback],
    ) -> None:
        super().__init__(model=model, args=arguments, loss=torch.nn.Identity(), callbacks=callbacks)
        for noisy in (PrinterCallback, ProgressCallback):
            self.remove_callback(noisy)
        # Gradients are summed in the step: no wrapper is wanted that sums them again.
        self.accelerator.prepare_model = functools.partial(self.accelerator.prepare_model, evaluation_mode=True)
        self._batches = batches
        self._step = step
        self._log = log
        self._recipe = recipe
        self._keep = keep
        self._values: dict[str, float] = {}
        self._tokens = 0

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """The card is written by us."""

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches from the present step on."""
        total = int(self.args.max_steps)
        return DataLoader(_Batches(self._batches, lambda: int(self.state.global_step), total), batch_size=None)

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: Any) -> tuple[list[Any], None]:
        """The next batches."""
        return [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)], None

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Gradients of one batch; see `Trainer`'s `step`."""
        model.train()
        loss, self._values, self._tokens = self._step(inputs)
        self._values = {"loss": loss, **self._values}
        return torch.tensor(loss, device=self.args.device)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW over what trains; only matrices decay."""
        if self.optimizer is None:
            trained = [each for each in self.model.parameters() if each.requires_grad]
            groups = [
                {"params": [each for each in trained if each.ndim > 1], "weight_decay": self.args.weight_decay},
                {"params": [each for each in trained if each.ndim < 2], "weight_decay": 0.0},
            ]
            self.optimizer = torch.optim.AdamW([each for each in groups if each["params"]], lr=self.args.learning_rate)
        return self.optimizer

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """One row a step."""
        if "loss" in logs:
            more = {name: logs[name] for name in ("learning_rate", "grad_norm") if name in logs}
            self._log.step(self.state.global_step, self._values | more, self._tokens)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        run, step = Path(self.args.output_dir), int(self.state.global_step)
        if self.is_world_process_zero():
            with new_checkpoint(run, step, self._recipe, self._keep) as folder:
                save_file(trained_weights(self.model), folder / WEIGHTS)
                self._save_optimizer_and_scheduler(str(folder))
                self._save_rng_state(str(folder))
                self.state.save_to_json(str(folder / STATE))
        self.accelerator.wait_for_everyone()
        self._log.pause()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_weights(self.model, Path(resume_from_checkpoint) / WEIGHTS)


def trained_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What training changes, by name."""
    return {name: each.detach().contiguous() for name, each in model.named_parameters() if each.requires_grad}


def load_weights(model: torch.nn.Module, file: Path) -> None:
    """Puts saved weights into a model that trains the same ones."""
    weights = load_file(file)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in weights.items():
            parameters[name].copy_(tensor)
