"""`tart index add`, `upsert`, `delete`, `compact`, `versions`, `restore`, `snapshot`, `diff`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tart.errors import SourceError
from tart.options import hardware_options
from tart_index.planning_options import Approval, plan_options
from tart_index.read_options import read_options, reading

if TYPE_CHECKING:
    from tart_index.changes import ChangeResult, OnExisting
    from tart_index.planning.plan import Plan
    from tart_index.planning.survey import Survey

_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
_KEEP = click.option("--keep", type=click.IntRange(min=1), default=3, show_default=True, help="Versions that stay.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_MODEL = click.option("--model", "-m", help="Where the index's model is now. [default: as stored]")


@click.command()
@_FOLDER
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--existing",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="At an id that is there already with another content.",
)
@read_options
@_MODEL
@hardware_options
@_KEEP
@plan_options
@_JSON
def add(folder: Path, sources: tuple[str, ...], existing: OnExisting, as_json: bool, **settings: Any) -> None:
    """Add documents to an index.

    Documents that are there already, word for word, are left alone; nothing is published before all is embedded.

    \b
    tart index add my-index new.jsonl
    tail -n 100 log.jsonl | tart index add my-index - --existing skip
    """
    _store(folder, sources, existing, settings, as_json=as_json)


@click.command()
@_FOLDER
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@read_options
@_MODEL
@hardware_options
@_KEEP
@plan_options
@_JSON
def upsert(folder: Path, sources: tuple[str, ...], as_json: bool, **settings: Any) -> None:
    """Add documents, or replace those of the same id.

    Only what changed is embedded: a document whose title and text are the same takes its vector over.

    \b
    tart index upsert my-index changed.jsonl
    """
    _store(folder, sources, "replace", settings, as_json=as_json)


@click.command()
@_FOLDER
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_KEEP
@_JSON
def delete(folder: Path, ids: tuple[str, ...], keep: int, as_json: bool) -> None:
    """Delete documents by their ids; - reads ids from standard input, one a line.

    \b
    tart index delete my-index doc-1 doc-2
    cut -f1 gone.tsv | tart index delete my-index -
    """
    from tart_index.changes import delete_documents

    _report(folder, delete_documents(folder, _ids(ids), keep=keep), as_json=as_json)


@click.command()
@_FOLDER
@click.option("--part-size", type=click.IntRange(min=1), help="Documents in a part. [default: 4096]")
@_KEEP
@plan_options
@_JSON
def compact(folder: Path, part_size: int | None, keep: int, as_json: bool, **settings: Any) -> None:
    """Rewrite an index into full parts without deleted rows; nothing is embedded.

    \b
    tart index compact my-index
    """
    from tart_index.changes import compact as compact_index
    from tart_index.folder import IndexFolder
    from tart_index.parts import PART_SIZE
    from tart_index.planning.plans import plan_compact

    size = part_size or PART_SIZE
    approval = Approval(settings, as_json=as_json)
    plan = plan_compact(IndexFolder.open(folder), size)
    if settings["dry_run"]:
        approval.show_only(plan)
        return
    approval.approve(plan)
    result = compact_index(folder, part_size=size, keep=keep)
    approval.tell()
    if as_json:
        _report(folder, result, as_json=True, more=approval.as_json())
    else:
        manifest = result.manifest
        parts = len(manifest.parts)
        click.echo(f"{folder}: {manifest.count:,} documents in {parts:,} parts, version {manifest.version}")


@click.command()
@_FOLDER
@_JSON
def versions(folder: Path, as_json: bool) -> None:
    """List the versions that are kept.

    \b
    tart index versions my-index
    """
    from tart_index.versions import versions as kept_versions

    rows = [
        {"version": m.version, "documents": m.count, "created_at": m.created_at, "fingerprint": m.fingerprint}
        for m in kept_versions(folder)
    ]
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for row in rows:
            click.echo(
                f"{row['version']:>6}  {row['documents']:>12,} documents  {row['created_at']}  {row['fingerprint']}"
            )


@click.command()
@_FOLDER
@click.argument("version", type=int)
@_KEEP
def restore(folder: Path, version: int, keep: int) -> None:
    """Publish the content of an older version again, as the next one.

    \b
    tart index restore my-index 3
    """
    from tart_index.versions import restore as restore_version

    manifest = restore_version(folder, version, keep=keep)
    click.echo(f"{folder}: version {manifest.version} holds the {manifest.count:,} documents of version {version}")


@click.command()
@_FOLDER
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
def snapshot(folder: Path, out: Path) -> None:
    """Copy the published version into an index of its own, by hard links where possible.

    \b
    tart index snapshot my-index backup/my-index-2026-11-20
    """
    from tart_index.versions import snapshot as copy_index

    manifest = copy_index(folder, out)
    click.echo(f"{out}: {manifest.count:,} documents, {manifest.fingerprint}")


@click.command()
@_FOLDER
@click.argument("old", type=int)
@click.argument("new", type=int)
@_JSON
def diff(folder: Path, old: int, new: int, as_json: bool) -> None:
    """Tell which documents two versions do not share.

    Ids are printed one a line, with + for added, - for removed and ~ for changed.

    \b
    tart index diff my-index 3 4
    """
    from tart_index.versions import difference

    found = difference(folder, old, new)
    if as_json:
        click.echo(json.dumps(found._asdict()))
        return
    for sign, ids in (("+", found.added), ("-", found.removed), ("~", found.changed)):
        for document_id in ids:
            click.echo(f"{sign} {document_id}")


COMMANDS = (add, upsert, delete, compact, versions, restore, snapshot, diff)


def _store(
    folder: Path, sources: tuple[str, ...], existing: OnExisting, settings: dict[str, Any], *, as_json: bool
) -> None:
    from tart.encoder import Encoder
    from tart_index.changes import add_documents, survey_change
    from tart_index.corpus import Corpus
    from tart_index.folder import read_manifest
    from tart_index.parts import PART_SIZE
    from tart_index.planning.plans import plan_build
    from tart_index.planning.sizes import VectorLayout
    from tart_index.progress import build_bar

    manifest = read_manifest(folder)
    corpus = Corpus.from_sources(sources, reading(settings))
    encoder = Encoder.load(
        settings["model"] or manifest.model.name,
        device=settings["device"],
        dtype=settings["dtype"] or manifest.model.dtype,
        threads=settings["threads"],
        input_format=manifest.input_format,
        dimension=manifest.cut_dim,
    )
    approval = Approval(settings, as_json=as_json)
    layout = VectorLayout.of(encoder.dim, manifest.vector_dtype)

    def plan(survey: Survey) -> Plan:
        return plan_build(survey, folder, encoder, layout, PART_SIZE)

    def approve(survey: Survey) -> None:
        approval.approve(plan(survey))

    with build_bar() as bar:
        if settings["dry_run"]:
            found = survey_change(folder, corpus, encoder, existing, progress=bar)
        else:
            keep = settings["keep"]
            result = add_documents(folder, corpus, encoder, existing, keep=keep, progress=bar, approve=approve)
    if settings["dry_run"]:
        approval.show_only(None if found is None else plan(found))
        return
    approval.tell()
    _report(folder, result, as_json=as_json, more=approval.as_json())


def _ids(ids: tuple[str, ...]) -> Iterator[str]:
    for given in ids:
        if given != "-":
            yield given
            continue
        try:
            yield from (line.rstrip("\n") for line in sys.stdin if line.strip())
        except UnicodeDecodeError as error:
            raise SourceError(f"standard input is not UTF-8 ({error.reason}); give one id a line") from error


def _report(folder: Path, result: ChangeResult, *, as_json: bool, more: Mapping[str, Any] | None = None) -> None:
    body = {
        "index": str(folder),
        "version": result.manifest.version,
        "documents": result.manifest.count,
        **{
            name: getattr(result, name)
            for name in ("added", "replaced", "unchanged", "deleted", "not_found", "embedded")
        },
    }
    if as_json:
        click.echo(json.dumps(body | dict(more or {})))
        return
    names = ("added", "replaced", "unchanged", "deleted", "not_found")
    told = ", ".join(f"{body[name]:,} {name.replace('_', ' ')}" for name in names if body[name]) or "nothing changed"
    click.echo(f"{folder}: {told}; {result.manifest.count:,} documents, version {result.manifest.version}")
