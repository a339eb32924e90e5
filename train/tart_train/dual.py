"""TART-dual: a bi-encoder that follows instructions, trained by a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tart.engines.hardware import Hardware
from tart.formats import InputFormat, preset
from tart.models import ModelFolder
from tart_train.allocator import keep_freed_memory
from tart_train.checkpoints import last_checkpoint
from tart_train.contrastive import ContrastiveLoss, anchored
from tart_train.dual_recipe import DualRecipe
from tart_train.examples import DataError
from tart_train.grad_cache import GradCache
from tart_train.inputs import Batch, Collator, Drawing, TextInputs, check_wordings
from tart_train.lora import add_adapters, merged, without_adapters
from tart_train.mixture import Mixture
from tart_train.pace import Pace
from tart_train.recipe import RecipeError, to_mapping
from tart_train.sampling import Schedule
from tart_train.text_model import TextModel, load_model, transformer_of
from tart_train.trainer import Trainer, training_arguments
from tart_train.training_log import TrainingLog


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        model: Folder of the saved model.
        step: The last one.
        finished: Whether that was the recipe's last.
    """

    model: Path
    step: int
    finished: bool


class DualRun:
    """One run of a recipe in a folder.

    Args:
        recipe: What to do.
        run: Where checkpoints, metrics and the model go.
        here: What the recipe's paths are relative to.
        device: See `Hardware.choose`.
        threads: See `Hardware.choose`.

    Raises:
        DataError: The mixture is missing, has sets without instructions, or a licence that the recipe does not allow.
        RecipeError: The recipe does not fit the mixture or the model.
    """

    def __init__(
        self,
        recipe: DualRecipe,
        run: Path,
        here: Path = Path(),
        *,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.recipe = recipe
        self.run = run
        self.folder = ModelFolder.open(recipe.base)
        self.mixture = Mixture.open(here / recipe.mixture)
        check_licences(self.mixture, recipe.licences)
        self.input_format = preset(recipe.inputs.format) if recipe.inputs.format else self.folder.input_format
        self.inputs = TextInputs(self.folder, self.input_format, recipe.inputs)
        check_wordings(self.mixture, self.inputs)
        self.schedule = _schedule(self.mixture, recipe)
        self.hardware = Hardware.choose(device, None if recipe.precision == "auto" else recipe.precision, threads)
        if self.hardware.dtype == "float16":
            self.hardware = Hardware(self.hardware.device, "float32", self.hardware.threads)
        self.hardware.pin_threads()

    def train(self, *, fresh: bool = False, max_minutes: float | None = None) -> RunResult:
        """Trains from the last checkpoint on, or from the start, and saves the model."""
        recipe = self.recipe
        keep_freed_memory()
        self.run.mkdir(parents=True, exist_ok=True)
        cpu = self.hardware.device == "cpu"
        arguments = training_arguments(
            self.run, recipe.steps, recipe.sampling.batch_size, recipe.seed, recipe.optimizer, cpu=cpu
        )
        described = describe(recipe)
        resumed = None if fresh else last_checkpoint(self.run, described)
        start = int(resumed.name.partition("-")[2]) if resumed else 0
        torch.manual_seed(recipe.seed)
        model = load_model(self.folder, self.hardware.device)
        config = None
        if recipe.method == "lora":
            config = add_adapters(transformer_of(model), recipe.lora, recipe.base)
        drawing = Drawing(self.mixture.instructions, recipe.inputs, recipe.seed)
        collator = Collator(self.mixture, self.inputs, drawing)

        def batches(step: int) -> Iterator[Batch]:
            return map(collator, self.schedule.batches(step))

        main = arguments.process_index == 0
        with TrainingLog(self.run, recipe.steps, start, active=main, label=recipe.name) as log:
            pace = Pace(recipe.checkpoints, max_minutes, 0, lambda _: None)
            trainer = Trainer(
                model,
                arguments,
                batches=batches,
                step=self._step(model),
                log=log,
                recipe=described,
                keep=recipe.checkpoints.keep,
                callbacks=[pace],
            )
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        step = int(trainer.state.global_step)
        place = self.run / "model"
        if main:
            save_model(model, config, self.input_format, place)
        return RunResult(place, step, step >= recipe.steps)

    def _step(self, model: Any) -> Any:
        """What the trainer calls with a batch."""
        recipe = self.recipe
        text_model = TextModel(model, self.hardware, recipe.chunk_tokens)
        loss = ContrastiveLoss(recipe.loss)
        fold = recipe.method == "lora" and recipe.lora.merged
        cache = GradCache(
            text_model,
            keep_graph=not recipe.grad_cache,
            **({"around": lambda: merged(model)} if fold else {}),
        )

        def step(batch: Batch) -> tuple[float, Mapping[str, float], int]:
            anchors = _anchors(text_model, batch) if recipe.loss.anchor else None
            value, told = cache.step(batch.texts, lambda vectors: loss(vectors, batch, anchors))
            return value, told, len(batch.texts.ids)

        return step


@torch.no_grad()
def _anchors(text_model: TextModel, batch: Batch) -> torch.Tensor:
    """The base model's vectors of documents and bare queries, in the order of `anchored`."""
    rows = anchored(batch)
    with without_adapters(text_model.model):
        chunks = text_model.chunks(batch.texts, rows.tolist())
        found = [text_model.embed(batch.texts, chunk) for chunk in chunks]
    vectors = torch.empty(len(batch.texts), found[0].shape[1], device=found[0].device)
    for chunk, part in zip(chunks, found, strict=True):
        vectors[torch.from_numpy(chunk).to(part.device)] = part
    return vectors[rows.to(vectors.device)]


def describe(recipe: DualRecipe) -> dict[str, Any]:
    """The recipe as a mapping, as checkpoints and cards hold it."""
    return {"kind": "dual", **to_mapping(recipe)}


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


def save_model(model: Any, config: Any, input_format: InputFormat, place: Path) -> None:
    """Writes the adapter, or the whole model where all of it was trained."""
    from tart_train.lora import save_adapter

    place.mkdir(parents=True, exist_ok=True)
    if config is None:
        model.save(str(place), create_model_card=False)
    else:
        save_adapter(transformer_of(model), config, place)
    input_format.save(place)


def _schedule(mixture: Mixture, recipe: DualRecipe) -> Schedule:
    groups = [
        f"{dataset}\0{group}" if group else ""
        for dataset, group in zip(mixture.column("dataset"), mixture.column("group"), strict=True)
    ]
    if recipe.method == "full" and recipe.loss.anchor:
        raise RecipeError("loss.anchor needs method: lora, whose base model stays as it was")
    return Schedule(mixture.column("task"), groups, recipe.sampling, recipe.seed)
