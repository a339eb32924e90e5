"""The recipe of TART-full: a cross-encoder that follows instructions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tart.model_folders import BASE_MODEL
from tart_train.recipe import CheckpointSettings, LoraSettings, OptimizerSettings, RecipeError, SamplingSettings


@dataclass(frozen=True, slots=True)
class PairInputSettings:
    """What the model reads, in training and ever after.

    Attributes:
        format: Name of an input format; ``tart`` by default.
        max_length: Tokens of a pair, special tokens counted; the document's end is cut.
        min_document_tokens: Rows whose query leaves a document less are not trained on; in use they are refused.
        no_instruction: Share of rows that are read without an instruction, which keeps plain retrieval alive.
        no_instruction_contrast: The same for rows of a group.
        negatives_per_query: Documents that stand against a row's positive.
    """

    format: str = "tart"
    max_length: int = 192
    min_document_tokens: int = 32
    no_instruction: float = 0.35
    no_instruction_contrast: float = 0.1
    negatives_per_query: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.min_document_tokens < self.max_length:
            raise RecipeError(
                f"inputs.min_document_tokens is {self.min_document_tokens}; wanted 1 or more and less than "
                f"inputs.max_length, {self.max_length}"
            )
        for name in ("no_instruction", "no_instruction_contrast"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"inputs.{name} is {getattr(self, name)}; wanted a share from 0 to 1")
        if self.negatives_per_query < 1:
            raise RecipeError(f"inputs.negatives_per_query is {self.negatives_per_query}; wanted 1 or more")


@dataclass(frozen=True, slots=True)
class PairLossSettings:
    """What is minimised: a sum of two losses by weight.

    Attributes:
        listwise: Weight of the cross-entropy over a row's documents: which one is the positive?
        binary: Weight of the cross-entropy of each pair on its own: relevant or not? It gives scores a meaning of
            their own, so that one threshold fits all queries.
    """

    listwise: float = 1.0
    binary: float = 0.1

    def __post_init__(self) -> None:
        if self.listwise < 0 or self.binary < 0 or self.listwise + self.binary <= 0:
            raise RecipeError(
                f"loss.listwise is {self.listwise} and loss.binary {self.binary}; wanted 0 or more, not both 0"
            )


@dataclass(frozen=True, slots=True)
class FullRecipe:
    """Everything that a TART-full run depends on.

    Attributes:
        mixture: Folder that `tart data mine` wrote, relative to the recipe.
        steps: Batches to train on.
        name: Of the model.
        base: Encoder to start from: a shipped one, a folder, or a hub id; a plain BERT.
        method: Train low-rank adapters, or all weights but the embeddings. The head is always trained.
        pooling: How token states become one; see `tart.engines.pair_head.PairHead`.
        dropout: On the pooled state.
        seed: Of every draw.
        licences: Classes of licence that the mixture's sets may have; empty allows all.
        chunk_tokens: Tokens of one forward pass, padding included.
        graph_tokens: Tokens whose activations are held at once; a row's pairs always are.
        precision: Number type of matrix products; by default what the hardware does fastest.
    """

    mixture: str
    steps: int
    name: str = "tart-full"
    base: str = BASE_MODEL
    method: Literal["lora", "full"] = "lora"
    pooling: Literal["sides", "mean", "cls"] = "sides"
    dropout: float = 0.1
    seed: int = 0
    licences: tuple[Literal["open", "research", "none"], ...] = ()
    chunk_tokens: int = 2_048
    graph_tokens: int = 8_192
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    lora: LoraSettings = field(default_factory=LoraSettings)
    sampling: SamplingSettings = field(default_factory=lambda: SamplingSettings(batch_size=16))
    inputs: PairInputSettings = field(default_factory=PairInputSettings)
    loss: PairLossSettings = field(default_factory=PairLossSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    checkpoints: CheckpointSettings = field(default_factory=CheckpointSettings)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise RecipeError(f"steps is {self.steps}; wanted 1 or more")
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"dropout is {self.dropout}; wanted 0 or more and less than 1")
        if not self.inputs.max_length <= self.chunk_tokens <= self.graph_tokens:
            raise RecipeError(
                f"chunk_tokens is {self.chunk_tokens} and graph_tokens {self.graph_tokens}; wanted chunk_tokens of at "
                f"least inputs.max_length, {self.inputs.max_length}, and graph_tokens of at least chunk_tokens"
            )
