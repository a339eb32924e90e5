"""`tart train full`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--out", "-o", type=click.Path(path_type=Path), required=True, help="The run's folder.")
@click.option("--fresh", is_flag=True, help="Start over, even where there is a checkpoint.")
@click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Stop cleanly after so long.")
@click.option("--device", help="cpu, cuda, cuda:N or mps. [default: the fastest there is]")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: all there are]")
def full(
    recipe: Path, out: Path, fresh: bool, max_minutes: float | None, device: str | None, threads: int | None
) -> None:
    """Train TART-full, a cross-encoder that reranks.

    A run that was stopped or killed goes on from its last checkpoint when the same command is given again. The model
    is written to OUT/model; `tart search --rerank OUT/model` uses it.

    \b
    tart train full recipe.yaml --out runs/full
    tart train full recipe.yaml --out runs/full --max-minutes 30
    """
    from tart_train.full import FullRun
    from tart_train.full_recipe import FullRecipe
    from tart_train.recipe import read_recipe

    run = FullRun(read_recipe(recipe, FullRecipe), out, recipe.parent, device=device, threads=threads)
    if run.fitting.left_out:
        click.echo(
            f"tart: {run.fitting.left_out:,} examples are left out: their query leaves a document fewer than "
            f"{run.recipe.inputs.min_document_tokens} of {run.recipe.inputs.max_length} tokens",
            err=True,
        )
    result = run.train(fresh=fresh, max_minutes=max_minutes)
    click.echo(f"{result.model}: trained {result.step:,} of {run.recipe.steps:,} steps")
