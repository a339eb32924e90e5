"""The card of a trained reranker: what it is, what it learned from and under which licences, and how."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tart import __version__
from tart_train.full_recipe import FullRecipe
from tart_train.mixture import Mixture
from tart_train.recipe import to_mapping
from tart_train.training_log import read_metrics

CARD = "README.md"
_LAST_STEPS = 50


@dataclass(frozen=True, slots=True)
class RerankerCard:
    """What a card tells.

    Attributes:
        recipe: That the model was trained by.
        mixture: That it was trained on.
        step: The last one.
        left_out: Examples whose query leaves a document too little room.
        run: The run's folder, with its metrics.
    """

    recipe: FullRecipe
    mixture: Mixture
    step: int
    left_out: int
    run: Path

    def save(self, folder: Path, plot: str | None) -> None:
        """Writes the card beside the weights.

        Args:
            folder: The model's.
            plot: Name of a picture of the loss in the folder.
        """
        (folder / CARD).write_text("\n".join(self._lines(plot)) + "\n", encoding="utf-8")

    def _lines(self, plot: str | None) -> Iterator[str]:
        import yaml

        recipe = self.recipe
        yield from ("---", f"base_model: {recipe.base}", "library_name: tart-retrieval", "pipeline_tag: text-ranking")
        yield from ("---", "", f"# {recipe.name}", "")
        yield f"TART-full over {recipe.base}: a cross-encoder that scores a document for a query under an instruction."
        yield from ("", "```bash", f'tart search my-index "query" -i "instruction" --rerank {recipe.name}', "```", "")
        yield f"Input: `[CLS] instruction [SEP] query [SEP] document [SEP]`, {recipe.inputs.max_length} tokens at most;"
        yield "the document's end is cut, the instruction and the query never are. The score is the logit's sigmoid."
        yield from ("", "## Data", "", "| set | licence | class |", "|---|---|---|")
        for name, card in sorted(dict(self.mixture.card.get("sets", {})).items()):
            yield f"| {name} | {card.get('licence', 'unknown')} | {card.get('licence_class', 'unknown')} |"
        yield from ("", f"{len(self.mixture):,} examples, of which {self.left_out:,} were left out because their query")
        yield f"leaves a document fewer than {recipe.inputs.min_document_tokens} tokens."
        yield from ("", "## Training", "", *self._training(), "")
        if plot:
            yield from (f"![loss]({plot})", "")
        yield from ("The recipe:", "", "```yaml", yaml.safe_dump(to_mapping(recipe), sort_keys=False).rstrip(), "```")

    def _training(self) -> Iterator[str]:
        rows = [row for row in read_metrics(self.run) if "loss" in row]
        yield f"{self.step:,} of {self.recipe.steps:,} steps, seed {self.recipe.seed}, tart {__version__}."
        if rows:
            last = rows[-_LAST_STEPS:]
            means = {name: sum(row[name] for row in last) / len(last) for name in ("loss", "first")}
            tokens = sum(row["tokens"] for row in rows)
            yield f"{tokens:,} tokens read. Over the last {len(last)} steps the loss was {means['loss']:.4f}, and the"
            yield f"positive stood first in {100 * means['first']:.1f} % of the rows of the training data."
        scores = self.run / "scores.json"
        if scores.is_file():
            yield from (
                "",
                "Scores:",
                "",
                "```json",
                json.dumps(json.loads(scores.read_text("utf-8")), indent=1),
                "```",
            )
