"""TART-full: a cross-encoder that follows instructions, trained by a recipe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from tart.formats import preset
from tart.models import ModelFolder
from tart.pair_format import PairFormat
from tart.pair_tokens import PairTokenizer
from tart.reranker_folder import RerankerSettings, save_head
from tart.tokens import read_tokenizer
from tart_train.allocator import keep_freed_memory
from tart_train.checkpoints import last_checkpoint, new_folder, remove_checkpoints, step_of
from tart_train.full_recipe import FullRecipe
from tart_train.inputs import check_wordings
from tart_train.lora import add_adapters, merged, save_adapter
from tart_train.mixture import Mixture
from tart_train.model_card import write_card
from tart_train.pace import Pace
from tart_train.pair_inputs import PairBatch, PairCollator, WordingRoom, fitting
from tart_train.pair_model import PairModel, PairStep
from tart_train.recipe import RecipeError, to_mapping
from tart_train.run import MODEL, RunResult, check_licences, schedule, training_hardware
from tart_train.text_model import open_base
from tart_train.trainer import Trainer, training_arguments
from tart_train.training_log import TrainingLog, read_metrics
from tart_train.training_plot import plot_training


class FullRun:
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
        recipe: FullRecipe,
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
        self.pair_format = _pair_format(recipe, self.folder)
        self.tokenizer = PairTokenizer(read_tokenizer(self.folder.path / "tokenizer.json"), self.pair_format)
        check_wordings(self.mixture, WordingRoom(self.tokenizer))
        self.fitting = fitting(self.mixture, self.tokenizer)
        self.schedule = schedule(self.mixture, recipe.sampling, recipe.seed, self.fitting.numbers)
        self.hardware = training_hardware(recipe.precision, device, threads)

    def train(
        self, *, fresh: bool = False, max_minutes: float | None = None, callbacks: tuple[TrainerCallback, ...] = ()
    ) -> RunResult:
        """Trains from the last checkpoint on, or from the start, and saves the model.

        Args:
            fresh: Start over, even where there is a checkpoint.
            max_minutes: Stop cleanly after so long; None is never.
            callbacks: Of transformers, for tests and experiments.

        Raises:
            CheckpointError: A checkpoint cannot be written, or the one there was made by another recipe.
        """
        recipe = self.recipe
        keep_freed_memory()
        self.run.mkdir(parents=True, exist_ok=True)
        described = describe(recipe)
        if fresh:
            remove_checkpoints(self.run)
        resumed = None if fresh else last_checkpoint(self.run, described)
        start = step_of(resumed) if resumed else 0
        torch.manual_seed(recipe.seed)
        model = PairModel.load(self.folder, recipe.pooling, recipe.dropout, self.hardware.device)
        config = add_adapters(model.transformer, recipe.lora, recipe.base) if recipe.method == "lora" else None
        cpu = self.hardware.device == "cpu"
        arguments = training_arguments(
            self.run, recipe.steps, recipe.sampling.batch_size, recipe.seed, recipe.optimizer, cpu=cpu
        )
        if arguments.world_size > 1:
            raise RecipeError(f"found {arguments.world_size} processes; TART-full trains in one: start it plainly")
        with TrainingLog(self.run, recipe.steps, start, label=recipe.name) as log:
            pace = Pace(recipe.checkpoints, max_minutes, 0, lambda _: None)
            trainer = Trainer(
                model,
                arguments,
                batches=self.batches,
                step=self._step(model),
                log=log,
                recipe=described,
                keep=recipe.checkpoints.keep,
                callbacks=[pace, *callbacks],
            )
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        step = int(trainer.state.global_step)
        with new_folder(self.run / MODEL) as folder:
            self._write(model, config, folder)
        return RunResult(self.run / MODEL, step, step >= recipe.steps, main=True)

    def batches(self, step: int) -> Iterator[PairBatch]:
        """All batches from a step on."""
        recipe = self.recipe
        collator = PairCollator(self.mixture, self.fitting.numbers, self.tokenizer, recipe.inputs, recipe.seed)
        return map(collator, self.schedule.batches(step))

    def _step(self, model: PairModel) -> PairStep:
        recipe = self.recipe
        fold = recipe.method == "lora" and recipe.lora.merged
        around = {"around": lambda: merged(model, self.hardware.torch_dtype)} if fold else {}
        return PairStep(model, self.hardware, recipe.loss, recipe.chunk_tokens, recipe.graph_tokens, **around)

    def _write(self, model: PairModel, config: Any, folder: Path) -> None:
        transformer: Any = model.transformer
        if config is None:
            transformer.save_pretrained(str(folder))
            shutil.copy2(self.folder.path / "tokenizer.json", folder / "tokenizer.json")
        else:
            save_adapter(transformer, config, folder)
        save_head(model.head, folder)
        settings = RerankerSettings(self.pair_format, self.recipe.pooling, self.recipe.base, self.folder.fingerprint())
        settings.save(folder)
        plot_training(self.run, folder)
        sets = dict(self.mixture.card.get("sets", {}))
        file = write_card(folder, describe(self.recipe), sets, read_metrics(self.run))
        with file.open("a", encoding="utf-8") as card:
            card.write(_reading(self.recipe, len(self.mixture), self.fitting.left_out))


def describe(recipe: FullRecipe) -> dict[str, Any]:
    """The recipe as a mapping, as checkpoints and cards hold it."""
    return {"kind": "full", **to_mapping(recipe)}


def _reading(recipe: FullRecipe, examples: int, left_out: int) -> str:
    """What the card of a reranker says besides."""
    return f"""
## Use

```bash
tart search my-index "query" -i "instruction" --rerank {recipe.name}
```

It reads `[CLS] instruction [SEP] query [SEP] document [SEP]`, at most {recipe.inputs.max_length} tokens: the document's
end is cut, the instruction and the query never are. The score is the sigmoid of the logit. Of {examples:,} examples
{left_out:,} were left out of training, because their query leaves a document fewer than
{recipe.inputs.min_document_tokens} tokens.
"""


def _pair_format(recipe: FullRecipe, folder: ModelFolder) -> PairFormat:
    longest = int(folder.config.get("max_position_embeddings", 512))
    if recipe.inputs.max_length > longest:
        raise RecipeError(f"inputs.max_length is {recipe.inputs.max_length}; the base reads at most {longest} tokens")
    return PairFormat(preset(recipe.inputs.format), recipe.inputs.max_length, recipe.inputs.min_document_tokens)
