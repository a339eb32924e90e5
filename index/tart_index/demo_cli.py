"""`tart demo`: the main job on this machine's own Python, in about a minute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tart.options import hardware_options

if TYPE_CHECKING:
    from rich.console import Console

    from tart_index.builder import BuildResult
    from tart_index.demo import CheckScore
    from tart_index.searcher import Hit, Searcher

_HITS = 3
_QUESTIONS = 500
_PLAIN_WIDTH = 118


@click.command()
@click.option(
    "--out", "-o", default="demo-index", show_default=True, type=click.Path(path_type=Path), help="The index."
)
@hardware_options
def demo(out: Path, **hardware: Any) -> None:
    """Index this Python's standard library and search it under two instructions.

    Every documented function, class and method becomes two documents: its code with the docstring cut out, and its
    documentation. The same queries are then asked twice, once for code and once for documentation.

    \b
    tart demo
    tart demo --out /tmp/python-index
    """
    from rich.console import Console

    from tart.encoder import Encoder
    from tart_index.demo import questions, self_check
    from tart_index.folder import IndexFolder
    from tart_index.searcher import Searcher

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    encoder = Encoder.load(**hardware)
    result = _build(out, encoder)
    searcher = Searcher(IndexFolder.open(out), encoder)
    _print_build(console, out, result, encoder)
    _print_columns(console, searcher)
    asked = questions(searcher.folder.documents(), _QUESTIONS)
    _print_check(console, self_check(searcher.folder, encoder, asked), len(asked))
    _print_next(console, out)


def _build(out: Path, encoder: Any) -> BuildResult:
    from tart_index.builder import BuildOptions, build_index
    from tart_index.demo import PROMPTS, standard_library
    from tart_index.progress import build_bar

    with build_bar() as bar:
        return build_index(standard_library(), out, encoder, BuildOptions(prompts=PROMPTS), bar)


def _print_build(console: Console, out: Path, result: BuildResult, encoder: Any) -> None:
    manifest = result.manifest
    hardware = encoder.hardware
    console.print(
        f"[bold]{out}[/]: {manifest.count:,} documents from the {manifest.sources[0]}, "
        f"{result.embedded:,} embedded now, {manifest.count - result.embedded:,} taken over\n"
        f"model {encoder.name} on {hardware.device}, {hardware.dtype}, {hardware.threads} threads; "
        f"{manifest.truncated:,} documents longer than its {encoder.max_length} tokens (their ends are not searched)\n"
    )


def _print_columns(console: Console, searcher: Searcher) -> None:
    from rich.table import Table

    from tart_index.demo import CODE, DOCUMENTATION, QUERIES
    from tart_index.searcher import SearchRequest

    table = Table(title="One query, two instructions", title_justify="left", show_lines=True, expand=True)
    table.add_column("query", ratio=2)
    table.add_column(f'"{CODE}"', ratio=4)
    table.add_column(f'"{DOCUMENTATION}"', ratio=4)
    instructions = (CODE, DOCUMENTATION)
    requests = [SearchRequest(query, instruction, top_k=_HITS) for query in QUERIES for instruction in instructions]
    results = iter(searcher.search(requests))
    for query in QUERIES:
        table.add_row(query, *("\n".join(_line(hit) for hit in next(results).hits) for _ in instructions))
    console.print(table)


def _line(hit: Hit) -> str:
    from rich.markup import escape

    kind = str(hit.document.metadata["kind"])
    colour = {"code": "green", "documentation": "cyan"}.get(kind, "yellow")
    name = hit.document.id.partition(":")[2]
    return f"{hit.score:.2f} [{colour}]{kind}[/] {escape(name)}"


def _print_check(console: Console, scores: list[CheckScore], asked: int) -> None:
    from rich.table import Table

    title = f"\nSelf-check: docstring summary -> its code, nDCG@10 over {asked} queries"
    table = Table(title=title, title_justify="left")
    table.add_column("instruction")
    table.add_column("closed to code", justify="right")
    table.add_column("pooled with documentation", justify="right")
    for score in scores:
        table.add_row(score.instruction or "none", f"{score.closed:.3f}", f"{score.pooled:.3f}")
    console.print(table)
    console.print(
        "Pooled, each query's own documentation holds its very words: only a model that follows the instruction puts\n"
        "the code before it.\n"
    )


def _print_next(console: Console, out: Path) -> None:
    from tart_index.demo import CODE

    console.print(
        "Next:\n"
        f'  tart search {out} "wait for a thread to end" -i "{CODE}"\n'
        f"  tart index info {out}\n"
        f"  tart serve {out}\n"
        "  tart index build YOUR-DOCUMENTS --out my-index",
        markup=False,
        soft_wrap=True,
    )
