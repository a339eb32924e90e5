"""`tart select`: choose fine-tuning data by nearest neighbours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tart.errors import IndexFolderError, SourceError
from tart.options import hardware_options
from tart_index.selection.fields import ExampleFields
from tart_index.selection.layouts import LAYOUT_NAMES
from tart_index.selection.options import GRAM, METHODS, NEIGHBOURS, SelectionOptions

if TYPE_CHECKING:
    from tart_index.selection.preparation import Asked
    from tart_index.selection.run import SelectionRun
    from tart_index.selection.sources import Reading

F = TypeVar("F", bound=Callable[..., Any])
# Options that are named as in `SelectionOptions`.
_CHOICES = (
    "method",
    "neighbours",
    "budget",
    "over",
    "per_task",
    "drop_duplicates",
    "near_duplicates",
    "exclude_targets",
    "ngram",
    "against_similarity",
    "diversity",
    "ann",
    "seed",
)


def _rows_options(command: F) -> F:
    """Adds what says how rows are read."""
    for option in (
        click.option("--encoding", default="utf-8", show_default=True, help="Of JSON lines."),
        click.option(
            "--on-error", type=click.Choice(["fail", "skip"]), default="fail", show_default=True, help="At a bad row."
        ),
        click.option(
            "--target-layout", type=click.Choice(LAYOUT_NAMES), help="Of TARGET. [default: told by its fields]"
        ),
        click.option("--target-fields", metavar="MAP", help="The same for TARGET and the evaluation sets."),
        click.option("--layout", type=click.Choice(LAYOUT_NAMES), help="Of POOL. [default: told by its fields]"),
        click.option(
            "--fields", metavar="MAP", help="Fields of POOL: input=question+text,target=answer,task=name,id=_id."
        ),
    ):
        command = option(command)
    return command


def _condition_options(command: F) -> F:
    """Adds what may not be chosen."""
    share = click.FloatRange(0, 1)
    for option in (
        click.option(
            "--diversity", type=share, metavar="WEIGHT", help="0 to 1: prefer rows unlike those chosen (MMR)."
        ),
        click.option("--against-similarity", type=share, metavar="COSINE", help="Leave out rows so near to EVAL."),
        click.option(
            "--ngram", type=click.IntRange(1), default=GRAM, show_default=True, help="Words shared with EVAL, too many."
        ),
        click.option(
            "--against", multiple=True, metavar="EVAL", help="Leave out what an evaluation set has; repeatable."
        ),
        click.option("--exclude-targets", is_flag=True, help="Leave out rows whose input is a target's."),
        click.option("--near-duplicates", type=share, metavar="COSINE", help="Leave out rows so near to a chosen one."),
        click.option("--drop-duplicates", is_flag=True, help="Leave out rows whose input and target came before."),
        click.option("--per-task", type=click.IntRange(1), metavar="N", help="The most rows of one task."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("pool")
@click.option("--like", required=True, metavar="TARGET", help="1 to 100,000 examples of your task; no labels needed.")
@click.option("--out", "-o", required=True, type=click.Path(path_type=Path), metavar="SELECTED", help="A new folder.")
@click.option("--method", type=click.Choice(METHODS), default="deft", show_default=True, help="See above.")
@click.option(
    "--neighbours", "-k", type=click.IntRange(1), default=NEIGHBOURS, show_default=True, help="Of each target example."
)
@click.option(
    "--budget", "-n", type=click.IntRange(1), metavar="N", help="The most rows to choose. [default: all neighbours]"
)
@click.option("--instruction", "-i", default="", metavar="TEXT", help='What "like" means, in plain words.')
@click.option(
    "--over", type=click.Choice(["targets", "tasks"]), default="targets", show_default=True, help="Who takes turns."
)
@_condition_options
@click.option("--controls", is_flag=True, help="Also choose as many rows by random, balanced and bm25.")
@click.option("--ann", metavar="STRUCTURE", help="Approximate: ivf, hnsw or a FAISS factory; its recall is measured.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is random.")
@_rows_options
@click.option("--model", "-m", help="A model's name, folder or hub id. [default: POOL's own, else tart-dual]")
@click.option(
    "--pool-index", type=click.Path(path_type=Path), metavar="DIR", help="Keep POOL's vectors here, as an index."
)
@click.option("--dry-run", is_flag=True, help="Check everything, tell the plan and stop.")
@hardware_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def select(pool: str, like: str, out: Path, as_json: bool, dry_run: bool, **settings: Any) -> None:
    """Choose the rows of POOL that are like your examples, to fine-tune on.

    POOL is JSON lines (.gz and .zst too), Parquet, a saved `datasets` folder, or an index folder; TARGET likewise. What
    is compared is the input, never the target. The layouts of P3, FLAN, T0, Super-NaturalInstructions, Alpaca, ShareGPT
    and OpenAI messages are recognised; map others with --fields.

    \b
    deft         every example's nearest neighbours together; rows that most examples have come first
    rds          the rows nearest to any example (RDS+, with this retriever's vectors)
    round-robin  examples, or their tasks (--over tasks), take their next best row in turn
    bm25         the same by shared words; random; balanced (random, evenly over the pool's tasks)

    SELECTED holds selected.jsonl (loads with `datasets`), provenance.jsonl and selection.json. A run that was killed
    goes on when the same command runs again; SELECTED.work keeps POOL's vectors as an index, for the next selection.

    \b
    tart select pool.jsonl.gz --like mine.jsonl --out chosen
    tart select pool.parquet --like mine.jsonl --method rds --budget 10000 --controls --out chosen
    tart select pool.jsonl --like mine.jsonl -i "Find examples that need the same skill" --out chosen
    tart select pool.jsonl --like dev.jsonl --against test.jsonl --drop-duplicates --per-task 500 --out clean
    tart select my-index --like mine.jsonl --method round-robin --budget 5000 --out chosen
    """
    from tart_index.selection.output import published_fingerprint, write_selection
    from tart_index.selection.preparation import prepared
    from tart_index.selection.progress import stage_bar
    from tart_index.selection.report_run import beside_rows

    asked = _asked(pool, like, settings)
    work = out.with_name(f"{out.name}.work")
    _refuse_other(out)
    with _held(work), stage_bar(quiet=as_json) as stages, prepared(asked, work, stages) as ready:
        if published_fingerprint(out) == ready.fingerprint and not dry_run:
            click.echo(json.dumps(_unchanged(out)) if as_json else f"{out}: is this very selection already; unchanged")
            return
        plan = ready.plan()
        stages.say(plan.sentence())
        if dry_run:
            return
        _refuse_published(out)
        run = ready.run()
        write_selection(run, out, beside_rows(run))
        _tidy(work)
        click.echo(json.dumps(_summary(out, run)) if as_json else _sentence(out, run, ready.index))


def _asked(pool: str, like: str, settings: Mapping[str, Any]) -> Asked:
    from tart_index.selection.preparation import Asked, EncoderChoice

    options = SelectionOptions(
        instruction=settings["instruction"].strip(), **{name: settings[name] for name in _CHOICES}
    )
    return Asked(
        pool=pool,
        like=like,
        options=options,
        encoder=EncoderChoice(settings["model"], settings["device"], settings["dtype"], settings["threads"]),
        against=settings["against"],
        pool_reading=_reading(settings, settings["fields"], settings["layout"]),
        target_reading=_reading(settings, settings["target_fields"], settings["target_layout"]),
        controls=settings["controls"],
        pool_index=settings["pool_index"],
    )


def _reading(settings: Mapping[str, Any], fields: str | None, layout: str | None) -> Reading:
    from tart_index.selection.sources import Reading

    parsed = ExampleFields.parse(fields) if fields else ExampleFields()
    return Reading(parsed, layout, settings["on_error"], settings["encoding"])


@contextmanager
def _held(work: Path) -> Iterator[None]:
    """Holds the work folder, so that two runs do not write into one another."""
    from filelock import FileLock, Timeout

    from tart_index.files import writing

    with writing(work):
        work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise IndexFolderError(f"{work}: another process is making this selection; wait for it to end") from None
    try:
        yield
    finally:
        lock.release()
        _tidy_empty(work)


def _refuse_other(out: Path) -> None:
    """Refuses, before anything is read, a folder that holds something else than a selection."""
    from tart_index.selection.output import published_fingerprint, refuse_existing

    if published_fingerprint(out) is None:
        refuse_existing(out)


def _refuse_published(out: Path) -> None:
    from tart_index.selection.output import published_fingerprint

    if published_fingerprint(out) is not None:
        raise SourceError(f"{out}: holds another selection; choose another folder for this one, or delete it")


def _tidy(work: Path) -> None:
    """Removes what only a killed run needs; the vectors of the pool stay."""
    for file in work.glob("targets-*.npy"):
        file.unlink()


def _tidy_empty(work: Path) -> None:
    """Removes a work folder in which nothing is left but the lock."""
    if {entry.name for entry in work.iterdir()} <= {"lock"}:
        shutil.rmtree(work, ignore_errors=True)


def _unchanged(out: Path) -> dict[str, Any]:
    return {"selection": str(out), "changed": False}


def _summary(out: Path, run: SelectionRun) -> dict[str, Any]:
    card = run.to_json()
    kept = ("fingerprint", "method", "counts", "ann", "notes", "controls")
    notes = [*run.pool.notes, *run.targets.notes, *card["notes"]]
    return {"selection": str(out), "changed": True, **{name: card[name] for name in kept}, "notes": notes}


def _sentence(out: Path, run: SelectionRun, index: Path) -> str:
    selection = run.selection
    lines = [f"{out}: {len(selection.chosen):,} rows of {len(run.pool):,}, of {selection.candidates:,} candidates"]
    if selection.dropped:
        lines.append("left out: " + ", ".join(f"{count:,} {reason}" for reason, count in selection.dropped.items()))
    if run.recall is not None:
        found = run.recall
        share = f"{found.recall:.1%} of the {found.k} nearest, by {found.targets} targets"
        lines.append(f"approximate: {found.structure} found {share}")
    for name, control in run.controls.items():
        lines.append(f"control {name}: {len(control.chosen):,} rows in {out / 'controls' / name}")
    lines.extend(note for told in (selection, *run.controls.values()) for note in told.notes)
    if index.is_dir():
        lines.append(f"vectors of the pool: {index} (use them again with --pool-index, or delete the folder)")
    lines.append(f'load it: datasets.load_dataset("{out}", split="train")')
    return "\n".join(lines)
