"""`tart data mine`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tart.options import hardware_options, model_option

if TYPE_CHECKING:
    from tart_train.mine import MiningSettings

_COUNT = click.IntRange(min=0)


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="SET...", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="MIXTURE", type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace the mixture that is there.")
@click.option(
    "--licences",
    multiple=True,
    default=("open",),
    show_default=True,
    type=click.Choice(["open", "research", "none"]),
    help="Classes of licence to take; may be repeated.",
)
@click.option("--max-queries-per-set", type=click.IntRange(min=1), default=6_000, show_default=True)
@click.option(
    "--max-documents-per-set", type=_COUNT, default=6_000, show_default=True, help="Beside the judged documents."
)
@click.option("--hard", type=_COUNT, default=4, show_default=True, help="Hard negatives of a row, at most.")
@click.option("--judged", type=_COUNT, default=2, show_default=True, help="Explicit zeros of a row, at most.")
@click.option(
    "--unfollowing", type=_COUNT, default=3, show_default=True, help="Hits from other sets of a row, at most."
)
@click.option("--contrasts/--no-contrasts", default=True, show_default=True, help="Groups by facet, unit and kind.")
@click.option("--constraints/--no-constraints", default=True, show_default=True, help="Rows with constraints.")
@click.option("--groups", type=_COUNT, default=3_000, show_default=True, help="Contrast groups of one task, at most.")
@click.option(
    "--polarity-packages",
    multiple=True,
    metavar="NAME",
    help="Installed Python packages whose code and documentation are told apart; may be repeated.",
)
@click.option("--denoise", metavar="RERANKER", help="A cross-encoder that removes false negatives.")
@click.option(
    "--denoise-thresholds",
    nargs=2,
    type=click.FloatRange(0, 1),
    default=(0.1, 0.9),
    show_default=True,
    help="Below: a hard negative. Above: a further positive. Between: dropped.",
)
@click.option(
    "--exclude-topics",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of topics to hold out too, one a line.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Folder of vectors. [default: .tart-vectors beside MIXTURE]"
)
@model_option("Embeds queries and documents: a shipped model, a local folder, or a hub id.")
@hardware_options
@click.option("--json", "as_json", is_flag=True, help="Print the mixture's card as one JSON object.")
def mine(folders: tuple[Path, ...], out: Path, overwrite: bool, as_json: bool, **given: Any) -> None:
    """Mine training rows with their negatives from dataset folders.

    A folder that holds dataset folders stands for all of them. The vectors are kept: run the command again after an
    interruption, and it goes on where it was.

    \b
    tart data mine data/train --out mixture
    tart data mine data/train --out mixture --hard 2 --polarity-packages numpy --polarity-packages scipy
    """
    from tart.encoder import Encoder
    from tart_train.mine import mine as mine_mixture
    from tart_train.mine_progress import steps
    from tart_train.vector_cache import VectorCache

    settings = _settings(given)
    encoder = Encoder.load(given["model"], device=given["device"], dtype=given["dtype"], threads=given["threads"])
    reranker = _reranker(given) if given["denoise"] else None
    with steps() as bar:
        cache = VectorCache(given["cache"] or out.parent / ".tart-vectors", encoder, bar.texts)
        mixture = mine_mixture(
            set_folders(folders),
            out,
            cache,
            settings,
            reranker=reranker,
            model=encoder.name,
            overwrite=overwrite,
            step=bar.step,
        )
    card = mixture.card
    if as_json:
        click.echo(json.dumps({key: value for key, value in card.items() if key != "files"}))
        return
    click.echo(f"{out}: {card['examples']:,} examples, {card['documents']:,} documents of {len(card['sets'])} sets")
    click.echo("negatives: " + ", ".join(f"{count:,} {kind}" for kind, count in card["negatives"].items()))


def set_folders(given: tuple[Path, ...]) -> list[Path]:
    """The dataset folders: those named, or all within a folder that is none itself."""
    found: list[Path] = []
    for folder in given:
        inner = [] if (folder / "card.json").exists() else sorted(path.parent for path in folder.glob("*/card.json"))
        found += inner or [folder]
    return found


def _settings(given: dict[str, Any]) -> MiningSettings:
    from tart_train.hold_out import HoldOut, read_topics
    from tart_train.mine import MiningSettings
    from tart_train.negatives import NegativeSettings
    from tart_train.sampled import SamplingLimits

    low, high = given["denoise_thresholds"]
    topics = read_topics(given["exclude_topics"]) if given["exclude_topics"] else frozenset[str]()
    return MiningSettings(
        licences=frozenset(given["licences"]),
        limits=SamplingLimits(given["max_queries_per_set"], given["max_documents_per_set"], given["seed"]),
        negatives=NegativeSettings(
            judged=given["judged"],
            hard=given["hard"],
            unfollowing=given["unfollowing"],
            low=low,
            high=high,
            threads=given["threads"] or 1,
            seed=given["seed"],
        ),
        contrasts=given["contrasts"],
        constraints=given["constraints"],
        packages=given["polarity_packages"],
        groups=given["groups"],
        hold_out=HoldOut(topics=topics),
    )


def _reranker(given: dict[str, Any]) -> Any:
    from tart.reranker import Reranker

    return Reranker.load(given["denoise"], device=given["device"], dtype=given["dtype"], threads=given["threads"])
