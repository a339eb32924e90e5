"""The recipe of TART-dual: an instruction-following bi-encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tart.model_folders import BASE_MODEL
from tart_train.recipe import (
    CheckpointSettings,
    DevSettings,
    InputSettings,
    LoraSettings,
    OptimizerSettings,
    RecipeError,
    SamplingSettings,
)


@dataclass(frozen=True, slots=True)
class LossSettings:
    """The contrastive loss and what is added to it.

    Attributes:
        temperature: Of the softmax over cosines.
        symmetric: Whether documents also search for their queries.
        matryoshka: Leading dimensions whose renormalised parts are trained as well (Kusupati et al. 2022).
        distillation: Weight of the divergence from the miner's scores of a row's negatives.
        distillation_temperature: Divides the miner's scores.
        distillation_positive: The miner's score of a sure positive.
        anchor: Weight of 1 - cosine to the frozen base model's embedding, for documents and bare queries.
        anchor_share: Share of a batch's texts that are compared with the base: the same in expectation, and cheaper.
    """

    temperature: float = 0.05
    symmetric: bool = False
    matryoshka: tuple[int, ...] = ()
    distillation: float = 0.0
    distillation_temperature: float = 0.1
    distillation_positive: float = 1.0
    anchor: float = 0.0
    anchor_share: float = 0.25

    def __post_init__(self) -> None:
        for name in ("temperature", "distillation_temperature"):
            if not getattr(self, name) > 0:
                raise RecipeError(f"loss.{name} is {getattr(self, name)}; wanted more than 0")
        for name in ("distillation", "anchor"):
            if getattr(self, name) < 0:
                raise RecipeError(f"loss.{name} is {getattr(self, name)}; wanted 0 or more")
        if not 0 < self.anchor_share <= 1:
            raise RecipeError(f"loss.anchor_share is {self.anchor_share}; wanted more than 0, at most 1")
        if any(dim < 1 for dim in self.matryoshka):
            raise RecipeError(f"loss.matryoshka is {list(self.matryoshka)}; wanted numbers of dimensions")


@dataclass(frozen=True, slots=True)
class DualRecipe:
    """Everything that a TART-dual run depends on.

    Attributes:
        mixture: Folder that `tart data mine` wrote, relative to the recipe.
        steps: Batches to train on.
        name: Of the model.
        base: Model to start from: a shipped one, a folder, or a hub id.
        method: Train low-rank adapters, or all weights but the embeddings.
        seed: Of every draw.
        licences: Classes of licence that the mixture's sets may have; empty allows all.
        grad_cache: Embed in two passes of small chunks (Gao et al. 2021); false keeps the whole graph: faster where
            the memory holds it.
        chunk_tokens: Tokens of one chunk, padding included.
        precision: Number type of matrix products; by default what the hardware does fastest.
    """

    mixture: str
    steps: int
    name: str = "tart-dual"
    base: str = BASE_MODEL
    method: Literal["lora", "full"] = "lora"
    seed: int = 0
    licences: tuple[Literal["open", "research", "none"], ...] = ()
    grad_cache: bool = True
    chunk_tokens: int = 2_048
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    lora: LoraSettings = field(default_factory=LoraSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    inputs: InputSettings = field(default_factory=InputSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    checkpoints: CheckpointSettings = field(default_factory=CheckpointSettings)
    dev: DevSettings = field(default_factory=DevSettings)

    def __post_init__(self) -> None:
        if self.method == "full" and self.loss.anchor:
            raise RecipeError("loss.anchor needs method: lora, whose base model stays as it was")
        if self.steps < 1:
            raise RecipeError(f"steps is {self.steps}; wanted 1 or more")
        if self.chunk_tokens < self.inputs.max_document_length:
            raise RecipeError(
                f"chunk_tokens is {self.chunk_tokens}; wanted at least inputs.max_document_length, "
                f"{self.inputs.max_document_length}"
            )
