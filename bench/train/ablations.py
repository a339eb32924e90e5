"""What each part of the recipe is worth: one model for each variant, same seed and steps, evaluated alike."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tart_train.constraints import KINDS
from tart_train.dual import DualRun, describe
from tart_train.dual_recipe import DualRecipe
from tart_train.evaluation.compare import MEAN, compare_folders
from tart_train.evaluation.report import REPORT
from tart_train.evaluation.summary import figure
from tart_train.evaluation.task import run_evaluation
from tart_train.examples import NEGATIVE_KINDS
from tart_train.mixture import Mixture
from tart_train.recipe import CheckpointSettings, DevSettings, differing_keys, read_recipe

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import table, write

CONSTRAINTS = tuple(KINDS)
CONTRASTS = ("facet", "section", "unit", "language", "code", "platform")
FULL, BASE = "full recipe", "base model"
# Heading -> where the figure stands, and in which of a report's two means.
COLUMNS = {
    "closed bare": ("mean", "bare/closed/ndcg@10"),
    "closed right": ("mean", "right/closed/ndcg@10"),
    "pooled bare": ("mean", "bare/pooled/ndcg@10"),
    "pooled right": ("mean", "right/pooled/ndcg@10"),
    "std": ("mean", "paraphrases/closed/std"),
    "p-MRR": ("contrast_mean", "p_mrr"),
    "pairs": ("contrast_mean", "pair_accuracy"),
}
CHANGES = {
    "closed bare": ("sets", "bare/closed/ndcg@10"),
    "closed right": ("sets", "right/closed/ndcg@10"),
    "pooled right": ("sets", "right/pooled/ndcg@10"),
    "p-MRR": ("contrast", "p_mrr"),
    "pairs": ("contrast", "pair_accuracy"),
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One model.

    Attributes:
        name: In the report; its words joined by hyphens name the folder.
        about: What differs, in one line.
        recipe: None is the base model, which is not trained.
    """

    name: str
    about: str
    recipe: DualRecipe | None

    @property
    def folder(self) -> str:
        """Under --out."""
        return self.name.replace(" ", "-")


def variants(recipe: DualRecipe, tasks: Mapping[str, int]) -> list[Variant]:
    """The recipe, and the recipe without one part each.

    Args:
        recipe: With the steps of the comparison.
        tasks: Of the mixture; a task that is not there cannot be left out.
    """

    def without(names: Sequence[str]) -> DualRecipe:
        gone = {name: 0.0 for name in names if name in tasks}
        return replace(recipe, sampling=replace(recipe.sampling, weights={**recipe.sampling.weights, **gone}))

    def bare(share: float) -> DualRecipe:
        contrast = recipe.inputs.no_instruction_contrast if share else 0.0
        return replace(recipe, inputs=replace(recipe.inputs, no_instruction=share, no_instruction_contrast=contrast))

    followed = tuple(kind for kind in recipe.inputs.negative_kinds or NEGATIVE_KINDS if kind != "unfollowing")
    kinds = replace(recipe, inputs=replace(recipe.inputs, negative_kinds=followed))
    known = [
        Variant(BASE, "not trained", None),
        Variant(FULL, f"as it stands: {recipe.inputs.no_instruction:.0%} of rows bare", recipe),
        Variant("no unfollowing negatives", "inputs.negative_kinds without `unfollowing`", kinds),
        Variant("no per-query instructions", "weight 0 for the constraints: mentions, year, ...", without(CONSTRAINTS)),
        Variant("no contrast groups", f"weight 0 for {', '.join(CONTRASTS)}", without(CONTRASTS)),
        *(
            Variant(
                f"no_instruction {share:g}",
                f"{share:.0%} of rows bare" + ("" if share else ", none of the groups' either"),
                bare(share),
            )
            for share in (0.0, 0.3, 0.5)
        ),
    ]
    # A mixture without such tasks, or a recipe that is like this already, makes some the full one again.
    return [variant for variant in known if variant.name == FULL or variant.recipe != recipe]


def read(recipe: Path, steps: int | None) -> DualRecipe:
    """The recipe with the steps of the comparison; saving and scoring on the way change no model."""
    found = read_recipe(recipe, DualRecipe)
    return replace(
        found, steps=steps or found.steps, checkpoints=CheckpointSettings(minutes=5.0, keep=1), dev=DevSettings()
    )


def run(variant: Variant, base: str, given: argparse.Namespace) -> Path:
    """Trains and evaluates a variant, or goes on where an earlier call stopped; the folder of its evaluation."""
    folder: Path = given.out / variant.folder
    evaluation = folder / "eval"
    limits = {"paraphrases": given.paraphrases, "limit_queries": given.limit_queries, "seed": 13}
    sets = {"sets": [str(path) for path in given.sets], "contrast": [str(path) for path in given.contrast]}
    identity = {"recipe": describe(variant.recipe) if variant.recipe else base, **limits, **sets}
    _same(folder, json.loads(json.dumps(identity)))
    if (evaluation / REPORT).is_file():
        print(f"{variant.name}: done already", file=sys.stderr)
        return evaluation
    model = base
    if variant.recipe is not None:
        print(f"{variant.name}: training", file=sys.stderr, flush=True)
        model = str(
            DualRun(variant.recipe, folder / "run", given.recipe.parent, device=given.device, threads=given.threads)
            .train()
            .model
        )
    print(f"{variant.name}: evaluating", file=sys.stderr, flush=True)
    settings = {**limits, "rerank": None, "rerank_depth": 50, "runs": "none", "levels": None, "no_cache": False}
    hardware = {"device": given.device, "threads": given.threads, "dtype": None}
    run_evaluation(model, given.sets, given.contrast, evaluation, {**settings, **hardware})
    shutil.rmtree(evaluation / "vectors", ignore_errors=True)
    return evaluation


def _same(folder: Path, identity: Mapping[str, Any]) -> None:
    """Notes what a folder is of, or refuses one that is of something else."""
    file = folder / "variant.json"
    if file.is_file():
        different = differing_keys(json.loads(file.read_text(encoding="utf-8")), identity)
        if different:
            raise SystemExit(f"{folder} differs in {', '.join(different)}; name another --out, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(identity, indent=1) + "\n", encoding="utf-8")


def cell(report: Mapping[str, Any], part: str, path: str) -> str:
    """A figure with its 95 % interval."""
    found = figure(report[part], path)
    return f"{found['value']:.1f} [{found['low']:.1f}, {found['high']:.1f}]" if found else "-"


def changes(full: Path, other: Path) -> dict[str, dict[str, Any]]:
    """Means of what a variant gains over the full recipe, paired by query."""
    # Intervals alone are shown: one permutation, for p is not.
    found = compare_folders(full, other, permutations=1)
    rows = {
        name: next((row for row in found[part].get(measure, ()) if row["name"] == MEAN), None)
        for name, (part, measure) in CHANGES.items()
    }
    return {name: row for name, row in rows.items() if row is not None}


def told(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Differences in words; those whose interval leaves out 0 are bold."""
    parts = []
    for name, row in rows.items():
        text = f"{name} {row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"
        parts.append(f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text)
    return "; ".join(parts)


def report(done: Mapping[str, Path], known: Sequence[Variant], recipe: DualRecipe, given: argparse.Namespace) -> None:
    """Writes the table and the lines of the variants that are finished."""
    reports = {name: json.loads((path / REPORT).read_text(encoding="utf-8")) for name, path in done.items()}
    rows = [[name, *(cell(one, *where) for where in COLUMNS.values())] for name, one in reports.items()]
    lines, figures = [], {}
    for variant in (each for each in known if each.name in done):
        gained = changes(done[FULL], done[variant.name]) if variant.name != FULL and FULL in done else {}
        lines.append(f"- *{variant.name}* ({variant.about}): {told(gained)}".removesuffix(": "))
        means = {heading: figure(reports[variant.name][part], path) for heading, (part, path) in COLUMNS.items()}
        figures[variant.name] = {"means": means, "over_full": gained}
    one = next(iter(reports.values()))
    limit = f"{given.limit_queries} queries of a set at most" if given.limit_queries else "all queries"
    body = f"""{recipe.steps:,} steps of {recipe.sampling.batch_size} queries, seed {recipe.seed}, for each variant of
`{given.recipe.name}`. {len(one["sets"])} sets and {len(one["contrast"])} contrast sets, {limit},
{given.paraphrases} wordings; means over sets, in points, with 95 % bootstrap intervals. Bare, right: nDCG@10; std: of
closed nDCG@10 over wordings (lower is better); p-MRR and pairs: obedience on the contrast sets, 0 for a model that does
not read instructions.

{table(["", *COLUMNS], rows)}

Differences to the full recipe, paired by query (p-MRR: by group); bold where the 95 % interval leaves out 0:

""" + "\n".join(lines)
    title = "Ablations of TART-dual's recipe"
    write(Path(__file__).parent, title, body, {"variants": figures}, "ablations", ("accelerate", "peft", "datasets"))


def main() -> None:
    """Trains, evaluates and writes the report anew after each variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--sets", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--contrast", type=Path, nargs="+", default=[], metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="models and evaluations")
    parser.add_argument("--steps", type=int, help="of each variant; the recipe's by default")
    parser.add_argument("--limit-queries", type=int, help="of a set; all by default")
    parser.add_argument("--paraphrases", type=int, default=10)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="variants, for example 'full recipe'")
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    recipe = read(given.recipe, given.steps)
    known = variants(recipe, Mixture.open(given.recipe.parent / recipe.mixture).card["tasks"])
    unknown = set(given.only or ()) - {each.name for each in known}
    if unknown:
        raise SystemExit(f"no variant {sorted(unknown)}; there are {[each.name for each in known]}")
    done: dict[str, Path] = {}
    for variant in known:
        if not given.only or variant.name in given.only:
            done[variant.name] = run(variant, recipe.base, given)
            report(done, known, recipe, given)


if __name__ == "__main__":
    main()
