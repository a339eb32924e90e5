"""`tart train`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def train() -> None:
    """Train instruction-following models from recipes.

    \b
    tart train dual train/recipes/dual-open.yaml --out runs/dual
    """


@train.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--out", "-o", type=click.Path(path_type=Path), required=True, help="The run's folder.")
@click.option("--fresh", is_flag=True, help="Start over, even where there is a checkpoint.")
@click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Stop cleanly after so long.")
@click.option("--device", help="cpu, cuda, cuda:N or mps. [default: the fastest there is]")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: all there are]")
def dual(
    recipe: Path, out: Path, fresh: bool, max_minutes: float | None, device: str | None, threads: int | None
) -> None:
    """Train TART-dual, a bi-encoder.

    A run that was stopped or killed goes on from its last checkpoint when the same command is given again.

    \b
    tart train dual recipe.yaml --out runs/dual
    tart train dual recipe.yaml --out runs/dual --max-minutes 60
    """
    from tart_train.dual import DualRun
    from tart_train.dual_recipe import DualRecipe
    from tart_train.recipe import read_recipe

    run = DualRun(read_recipe(recipe, DualRecipe), out, recipe.parent, device=device, threads=threads)
    result = run.train(fresh=fresh, max_minutes=max_minutes)
    click.echo(f"{result.model}: trained {result.step:,} of {run.recipe.steps:,} steps")
