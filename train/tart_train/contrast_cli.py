"""`tart data contrast`."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="SET...", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Gets one folder a set.")
@click.option("--groups", type=click.IntRange(min=1), default=500, show_default=True, help="Of one set, at most.")
@click.option(
    "--exclude-topics",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file of held-out topics that mining was given.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def contrast(
    folders: tuple[Path, ...], out: Path, groups: int, exclude_topics: Path | None, seed: int, as_json: bool
) -> None:
    """Write contrast sets for evaluation: the same query under instructions that want different documents.

    They are made of what mining leaves out, so that no topic, aspect or package is in both.

    \b
    tart data contrast data/train data/dev --out contrast
    tart eval run MODEL --contrast contrast/facets_new_aspects
    """
    from tart_train.contrast_sets import contrast_sets, write_contrast_set
    from tart_train.examples import DataError
    from tart_train.hold_out import HoldOut, read_topics
    from tart_train.mine_cli import set_folders

    hold_out = HoldOut(topics=read_topics(exclude_topics) if exclude_topics else frozenset())
    counts = {
        each.name: write_contrast_set(each, out)
        for each in contrast_sets(set_folders(folders), groups, seed, hold_out)
        if each.groups
    }
    if not counts:
        raise DataError(f"{out}: none of these sets makes a contrast; give medquad_facets, debate_stance or argkp")
    if as_json:
        click.echo(json.dumps(counts))
        return
    for name, count in counts.items():
        click.echo(
            f"{out / name}: {count['n_groups']:,} groups, {count['n_queries']:,} queries, {count['n_docs']:,} documents"
        )
