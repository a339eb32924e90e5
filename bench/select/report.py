"""The text of the replication's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.reporting import table
from bench.select.cells import Result
from bench.select.found import Found
from bench.select.held_out import HeldOut
from bench.select.tables import Chance, Part, by_dataset, complete, found_table, parts, summary

_TIERS = {
    "frozen": "Tier 1: a head over frozen vectors",
    "fine-tuned": "Tier 2: the encoder's upper layers fine-tuned",
}


def body(
    results: Sequence[Result],
    found: Sequence[Found],
    targets: Mapping[str, HeldOut],
    chances: Mapping[str, Chance],
    settings: Mapping[str, Any],
    rows: int,
) -> tuple[str, dict[str, Any]]:
    """The text and its figures."""
    texts = [_about(settings, rows)]
    figures: dict[str, Any] = {"settings": dict(settings), "parts": []}
    for part in map(complete, parts(results)):
        text, told = _part(part, results, chances)
        texts.append(text)
        figures["parts"].append({"tier": part.tier, "budget": part.budget, **told})
    texts.append(_targets(targets))
    if found:
        text, figures["found"] = found_table(found)
        texts.append(_found(text, found))
    return "\n\n".join(texts), figures


def _about(settings: Mapping[str, Any], rows: int) -> str:
    sizes, frozen, tuned = settings["sizes"], settings["frozen"], settings["fine_tuned"]
    whole = f"{sizes['whole']:,} random rows of it" if sizes["whole"] else "all of it"
    return f"""The pool is `{settings["pool"]}`: {rows:,} prompted rows. For each held-out dataset its templates leave
the pool, and datasets made from the same source, and every row that shares eight words in a row with one of its rows
(template wording aside). Half of the dataset's examples, under all templates, give at most {sizes["asked"]} unlabelled
target inputs; at most {sizes["scored"]} rows of the other half are scored: no example stands on both sides. Each method
chooses the same number of rows; the same model is trained on each choice and picks an answer for every scored row,
among those that the prompt lists or that are the template's labels. A seed draws the sides, what is random in the
selection, the wrong answers and the training; methods share a seed's draws, so differences are paired. Settings were
fixed before any target was scored.

- *Tier 1*: the shipped encoder's vectors of inputs and answers stay as they are; a head that starts as their cosine
  learns to choose: at most {frozen["steps"]:,} steps of {frozen["batch"]} rows, stopped by the loss on
  {frozen["validation"]:.0%} of the training rows' own examples.
- *Tier 2*: {tuned["base"]} reads input and answer together; its upper {tuned["layers"]} layers are fine-tuned for
  {tuned["epochs"]} epochs on inputs of {tuned["length"]} tokens. *Whole pool* is {whole} there.
- *Untrained* is the same model without training. *Own labels* trains on the target inputs **with** their answers: what
  labels would give. The instruction is "{settings["instruction"]}"."""


def _part(part: Part, results: Sequence[Result], chances: Mapping[str, Chance]) -> tuple[str, dict[str, Any]]:
    cells = [one for one in results if one.cell.tier == part.tier and one.cell.budget == part.budget]
    first = next(iter(part.values.values()))
    if not first:
        return f"## {_TIERS[part.tier]}\n\nNo dataset has all methods yet.", {}
    told, means = summary(part)
    lines, datasets = by_dataset(part, chances)
    seeds = max(len(found) for found in first.values())
    took = sum(one.seconds for one in cells)
    text = f"""## {_TIERS[part.tier]}, {part.budget:,} rows

{len(first)} datasets, up to {seeds} seeds, {len(cells):,} models, {took / 60:.0f} minutes of training and scoring.
Accuracy in points; 95 % bootstrap intervals over datasets and seeds; bold where that of a difference leaves out 0.

{told}

By dataset, means over seeds with half the width of their interval; *guess*: any answer, *majority*: each template's
most frequent one:

{lines}"""
    return text, {"summary": means, "datasets": datasets, "minutes": round(took / 60, 1), "models": len(cells)}


def _targets(targets: Mapping[str, HeldOut]) -> str:
    rows = [
        [
            name,
            f"{len(one.questions):,}",
            f"{len(set(one.example.tolist())):,}",
            f"{one.removed.family:,}",
            f"{one.removed.passages:,}",
            f"{len(one.pool):,}",
        ]
        for name, one in targets.items()
    ]
    header = ["", "rows to score", "examples", "removed: dataset and source", "removed: shared passage", "pool left"]
    return "## The held-out datasets\n\n" + table(header, rows)


def _found(text: str, found: Sequence[Found]) -> str:
    seeds = len({one.seed for one in found})
    return f"""## With the target's own other templates left in

The inputs of half of a dataset's examples under one template are the target; the *other* examples under the *other*
templates stay in the pool. Share of them among the rows chosen, %, means over {seeds} draws of the template, and in
brackets how many of those that could be chosen were, %:

{text}"""
