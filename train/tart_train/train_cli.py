"""`tart train`: models from recipes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click


@click.group()
def train() -> None:
    """Train instruction-following models from recipes.

    \b
    tart train dual recipe.yaml --out runs/dual
    tart train export runs/dual --out models/dual --merged
    """


@train.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--out", "-o", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The run's folder.")
@click.option("--fresh", is_flag=True, help="Start over, even where there is a checkpoint.")
@click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Stop cleanly after so long.")
@click.option("--merged", is_flag=True, help="Also write DIR/merged, a whole sentence-transformers folder.")
@click.option("--device", help="cpu, cuda, cuda:N or mps. [default: the fastest there is]")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: all there are]")
def dual(
    recipe: Path,
    out: Path,
    fresh: bool,
    max_minutes: float | None,
    merged: bool,
    device: str | None,
    threads: int | None,
) -> None:
    """Train TART-dual, a bi-encoder, by a RECIPE in YAML.

    The model comes to DIR/model. A run that was stopped or killed goes on from its last checkpoint when the same
    command is given again. Under torchrun, every process takes its share of each batch.

    \b
    tart train dual recipe.yaml --out runs/dual
    tart train dual recipe.yaml --out runs/dual --max-minutes 60
    torchrun --nproc-per-node 8 --no-python tart train dual recipe.yaml --out runs/dual
    """
    from tart_train.dual import DualRun
    from tart_train.dual_recipe import DualRecipe
    from tart_train.export import export as write_model
    from tart_train.recipe import read_recipe

    read = read_recipe(recipe, DualRecipe)
    result = DualRun(read, out, recipe.parent, device=device, threads=threads).train(
        fresh=fresh, max_minutes=max_minutes
    )
    if not result.main:
        return
    click.echo(f"{result.model}: trained {result.step:,} of {read.steps:,} steps")
    if merged and read.method == "lora":
        import shutil

        shutil.rmtree(out / "merged", ignore_errors=True)
        click.echo(f"{write_model(out, out / 'merged', whole=True)}: with the base model")


@train.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", "-o", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The model's folder.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Of what was learned: 0 is the base model, 1 the trained one.",
)
@click.option("--merged", is_flag=True, help="Write a whole sentence-transformers folder, not an adapter.")
@click.option("--base", help="Where the base model is now. [default: as the adapter names it]")
def export(run: Path, out: Path, scale: float, merged: bool, base: str | None) -> None:
    """Write the model of a RUN: its adapter scaled, or merged into the base model.

    A scale below 1 keeps more of the base model's abilities (weight-space interpolation, WiSE-FT).

    \b
    tart train export runs/dual --out models/dual --merged
    tart train export runs/dual --out models/dual-08 --scale 0.8
    """
    from tart_train.export import export as write_model

    click.echo(f"{write_model(run, out, scale=scale, whole=merged, base=base)}: scale {scale:g}")


if importlib.util.find_spec("tart_train.full_cli") is not None:
    from tart_train.full_cli import full

    train.add_command(full)
