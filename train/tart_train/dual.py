"""TART-dual: a bi-encoder that follows instructions, trained by a recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tart.formats import preset
from tart.models import save_base, save_matryoshka
from tart_train.allocator import keep_freed_memory
from tart_train.checkpoints import last_checkpoint, new_folder, remove_checkpoints, step_of
from tart_train.contrastive import Anchors, ContrastiveLoss, anchored
from tart_train.dev_scores import open_dev_sets, score
from tart_train.dual_recipe import DualRecipe
from tart_train.grad_cache import GradCache
from tart_train.inputs import Batch, Collator, Drawing, TextInputs, check_wordings
from tart_train.lora import add_adapters, merged, save_adapter, without_adapters
from tart_train.mixture import Mixture
from tart_train.model_card import write_card
from tart_train.pace import Pace
from tart_train.recipe import to_mapping
from tart_train.run import MODEL, RunResult, check_licences, schedule, training_hardware
from tart_train.text_model import TextModel, load_model, open_base, transformer_of
from tart_train.trainer import Trainer, training_arguments
from tart_train.training_log import TrainingLog, read_metrics
from tart_train.training_plot import plot_training


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
        self.folder = open_base(recipe.base)
        self.mixture = Mixture.open(here / recipe.mixture)
        check_licences(self.mixture, recipe.licences)
        self.input_format = preset(recipe.inputs.format) if recipe.inputs.format else self.folder.input_format
        self.inputs = TextInputs(self.folder, self.input_format, recipe.inputs)
        check_wordings(self.mixture, self.inputs)
        self.schedule = schedule(self.mixture, recipe.sampling, recipe.seed)
        self.dev_sets = open_dev_sets(recipe.dev, here, self.inputs)
        self.hardware = training_hardware(recipe.precision, device, threads)

    def train(self, *, fresh: bool = False, max_minutes: float | None = None) -> RunResult:
        """Trains from the last checkpoint on, or from the start, and saves the model.

        Args:
            fresh: Start over, whatever checkpoints there are.
            max_minutes: Stop after so long, with a checkpoint and a saved model.

        Raises:
            CheckpointError: The checkpoint is of another recipe, or cannot be written.
        """
        recipe = self.recipe
        keep_freed_memory()
        self.run.mkdir(parents=True, exist_ok=True)
        arguments = training_arguments(
            self.run, recipe.steps, recipe.sampling.batch_size, recipe.seed, recipe.optimizer, cpu=self._on_cpu
        )
        main = arguments.process_index == 0
        described = describe(recipe)
        if fresh and main:
            remove_checkpoints(self.run)
        resumed = None if fresh else last_checkpoint(self.run, described)
        start = step_of(resumed) if resumed else 0
        hardware = replace(self.hardware, device=str(arguments.device)) if arguments.world_size > 1 else self.hardware
        model, config = self._model(hardware.device)
        text_model = TextModel(model, hardware, recipe.chunk_tokens)
        drawing = Drawing(self.mixture.instructions, recipe.inputs, recipe.seed)
        collator = Collator(self.mixture, self.inputs, drawing)

        def batches(step: int) -> Iterator[Batch]:
            return map(collator, self.schedule.batches(step))

        with TrainingLog(self.run, recipe.steps, start, active=main, label=recipe.name) as log:

            def score_dev(step: int) -> None:
                if main and self.dev_sets:
                    log.dev(step, score(self.dev_sets, text_model, self._folded(model)))

            trainer = Trainer(
                model,
                arguments,
                batches=batches,
                step=self._step(text_model),
                log=log,
                recipe=described,
                keep=recipe.checkpoints.keep,
                callbacks=[Pace(recipe.checkpoints, max_minutes, recipe.dev.steps, score_dev)],
            )
            if not start:
                score_dev(0)
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
            step = int(trainer.state.global_step)
            if recipe.dev.steps == 0 or step % recipe.dev.steps:
                score_dev(step)
        if main:
            self._save(model, config)
        return RunResult(self.run / MODEL, step, step >= recipe.steps, main)

    @property
    def _on_cpu(self) -> bool:
        return self.hardware.device == "cpu"

    def _model(self, device: str) -> tuple[Any, Any]:
        """The model to train, and its adapter's configuration where it has one."""
        torch.manual_seed(self.recipe.seed)
        model = load_model(self.folder, device)
        if self.recipe.method == "full":
            return model, None
        return model, add_adapters(transformer_of(model), self.recipe.lora, self.recipe.base)

    def _folded(self, model: Any) -> AbstractContextManager[None]:
        """What every pass runs in."""
        if self.recipe.method == "lora" and self.recipe.lora.merged:
            return merged(model, self.hardware.torch_dtype)
        return nullcontext()

    def _step(self, text_model: TextModel) -> Callable[[Batch], tuple[float, Mapping[str, float], int]]:
        """What the trainer calls with a batch."""
        loss = ContrastiveLoss(self.recipe.loss)
        cache = GradCache(
            text_model, keep_graph=not self.recipe.grad_cache, around=lambda: self._folded(text_model.model)
        )

        def step(batch: Batch) -> tuple[float, Mapping[str, float], int]:
            settings = self.recipe.loss
            anchors = _anchors(text_model, batch, settings.anchor_share) if settings.anchor else None
            value, told = cache.step(batch.texts, lambda vectors: loss(vectors, batch, anchors))
            return value, told, len(batch.texts.ids)

        return step

    def _save(self, model: Any, config: Any) -> None:
        """Puts model, format, picture and card in their place, whole."""
        with new_folder(self.run / MODEL) as part:
            if config is None:
                model.save(str(part), create_model_card=False)
            else:
                save_adapter(transformer_of(model), config, part)
                save_base(part, self.folder.fingerprint())
            self.input_format.save(part)
            if self.recipe.loss.matryoshka:
                save_matryoshka(part, self.recipe.loss.matryoshka)
            plot_training(self.run, part)
            write_card(part, describe(self.recipe), dict(self.mixture.card.get("sets", {})), read_metrics(self.run))


@torch.no_grad()
def _anchors(text_model: TextModel, batch: Batch, share: float) -> Anchors:
    """The base model's vectors of documents and bare queries."""
    rows = anchored(batch, share)
    with without_adapters(text_model.model):
        chunks = text_model.chunks(batch.texts, rows.tolist())
        found = [text_model.embed(batch.texts, chunk) for chunk in chunks]
    vectors = torch.empty(len(batch.texts), found[0].shape[1], device=found[0].device)
    for chunk, part in zip(chunks, found, strict=True):
        vectors[torch.from_numpy(chunk).to(part.device)] = part
    return Anchors(rows, vectors[rows.to(vectors.device)])


def describe(recipe: DualRecipe) -> dict[str, Any]:
    """The recipe as a mapping, as checkpoints and cards hold it."""
    return {"kind": "dual", **to_mapping(recipe)}
