"""`tart index`: build, look at and check index folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tart.formats import PRESETS
from tart.options import hardware_options, model_option
from tart_index.change_cli import COMMANDS
from tart_index.interchange_cli import export_index, import_index
from tart_index.planning_options import Approval, plan_options
from tart_index.read_options import read_options, reading
from tart_index.structure_cli import make_tuned, report, sentence, structure_options, summary, tune, wanted_of
from tart_index.vector_options import vector_options, warn_of_cut

if TYPE_CHECKING:
    from tart.encoder import Encoder
    from tart_index.ann.choose import Wanted
    from tart_index.builder import BuildResult
    from tart_index.manifest import Manifest
    from tart_index.planning.plan import Plan
    from tart_index.planning.survey import Survey


@click.group()
def index() -> None:
    """Build, look at, check and change index folders."""


for _command in (*COMMANDS, tune, report, import_index, export_index):
    index.add_command(_command)


@index.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--out", "-o", required=True, type=click.Path(path_type=Path), help="The index folder.")
@model_option()
@click.option(
    "--format", "input_format", type=click.Choice(list(PRESETS)), help="Input format. [default: the model's own]"
)
@read_options
@vector_options
@click.option("--default-instruction", default="", metavar="TEXT", help="Applied where a query names none.")
@click.option("--prompt", "prompts", multiple=True, metavar="NAME=TEXT", help="A named instruction; may be repeated.")
@click.option("--part-size", type=click.IntRange(min=1), help="Documents in a part: what a killed build loses at most.")
@click.option("--keep", type=click.IntRange(min=1), default=3, show_default=True, help="Versions that stay.")
@structure_options(recall=None)
@click.option("--replace", is_flag=True, help="Build over another model's index, or a damaged one.")
@hardware_options
@click.option(
    "--devices",
    metavar="LIST",
    help="Embed on several devices, a process for each: cuda for all GPUs, or cuda:0,cuda:1.",
)
@plan_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def build(sources: tuple[str, ...], out: Path, as_json: bool, **settings: Any) -> None:
    """Embed a corpus into an index folder.

    SOURCE is a JSON lines, Parquet, CSV or TSV file (.gz and .zst too), a BEIR folder, a folder of text, Markdown or
    Python files, a saved `datasets` folder, or - for JSON lines on standard input. A build that was killed goes on
    where it was when the same command runs again; over a corpus that has changed, only changed parts are embedded.

    \b
    tart index build docs.jsonl --out my-index
    tart index build papers.parquet --fields id=doi,text=abstract,metadata=year+venue --out papers
    tart index build ./src --layout python --out code
    zcat dump.jsonl.gz | tart index build - --out my-index --on-error skip
    tart index build docs.jsonl --out my-index --recall 0.95 --memory 2G
    tart index build docs.jsonl --out small --vector-dtype float16 --dimension 256
    tart index build docs.jsonl --out my-index --dry-run
    """
    approval = Approval(settings, as_json=as_json)
    asked = any(settings[name] is not None for name in ("recall", "memory", "structure"))
    wanted = wanted_of(settings) if asked else None
    result = _build(sources, out, settings, wanted, approval)
    if result is None:
        return
    tuned = make_tuned(out, settings) if asked else None
    approval.tell()
    if as_json:
        body = _summary(out, result) | ({} if tuned is None else summary(out, tuned))
        click.echo(json.dumps(body | approval.as_json()))
        return
    click.echo(_sentence(out, result))
    if tuned is not None:
        click.echo(sentence(out, tuned))


@index.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(folder: Path, as_json: bool) -> None:
    """Tell what an index holds.

    \b
    tart index info my-index
    tart index info my-index --json | jq .count
    """
    from tart_index.columns import count_types
    from tart_index.folder import IndexFolder

    opened = IndexFolder.open(folder)
    manifest = opened.manifest
    keys = count_types(opened.columns, opened.alive)
    body = {**json.loads(manifest.to_bytes()), "metadata": keys}
    if as_json:
        click.echo(json.dumps(body))
        return
    size = sum(file.bytes for part in manifest.parts for file in part.files.values())
    _print_rows(
        {
            "documents": f"{manifest.count:,} ({manifest.truncated:,} longer than the model takes, truncated)",
            "parts": f"{len(manifest.parts)}, {size / 2**20:,.1f} MiB",
            "vectors": f"{manifest.dim} x {manifest.vector_dtype}, {body['metric']}{_cut(manifest)}",
            "search": _search(manifest),
            "model": f"{manifest.model.name} ({manifest.model.dtype}, {manifest.model.max_length} tokens)",
            "model fingerprint": manifest.model.fingerprint,
            "input format": manifest.input_format.name,
            "metadata": "; ".join(f"{_name(key)}: {_types(types)}" for key, types in keys.items()) or "none",
            "default instruction": manifest.default_instruction or "none",
            "named instructions": ", ".join(f"{k}: {v}" for k, v in manifest.prompts.items()) or "none",
            "sources": ", ".join(manifest.sources),
            "skipped rows": ", ".join(f"{n} {reason}" for reason, n in manifest.skipped.items()) or "none",
            "version": f"{manifest.version}, {manifest.created_at}, by {manifest.created_by}",
            "fingerprint": manifest.fingerprint,
        }
    )


@index.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(folder: Path, as_json: bool) -> None:
    """Read every byte of an index, older versions too, and compare it with its checksums.

    \b
    tart index verify my-index
    """
    from tart_index.folder import IndexFolder
    from tart_index.progress import tracked
    from tart_index.versions import verify_kept

    opened = IndexFolder.open(folder)
    parts = list(tracked(opened.verify(), len(opened.manifest.parts), "verifying"))
    older = verify_kept(opened)
    body = {
        "index": str(folder),
        "documents": len(opened),
        "parts": len(parts),
        "fingerprint": opened.manifest.fingerprint,
        "older_versions": older,
    }
    if as_json:
        click.echo(json.dumps(body))
        return
    too = f"; sound too: version {', '.join(map(str, older))}" if older else ""
    click.echo(f"{folder}: sound: {len(opened):,} documents in {len(parts)} parts, {body['fingerprint']}{too}")


def _build(
    sources: Sequence[str], out: Path, settings: Mapping[str, Any], wanted: Wanted | None, approval: Approval
) -> BuildResult | None:
    """Builds; or only prints the plan, where that is asked for."""
    from tart_index.builder import BuildOptions, build_index, survey_build
    from tart_index.corpus import Corpus
    from tart_index.parts import PART_SIZE
    from tart_index.planning.plans import plan_build
    from tart_index.planning.sizes import VectorLayout
    from tart_index.progress import build_bar
    from tart_index.writer import refuse_foreign

    options = BuildOptions(
        part_size=settings["part_size"] or PART_SIZE,
        keep=settings["keep"],
        replace=settings["replace"],
        default_instruction=settings["default_instruction"],
        prompts=dict(_named(prompt) for prompt in settings["prompts"]),
        vector_dtype=settings["vector_dtype"],
    )
    corpus = Corpus.from_sources(sources, reading(settings))
    refuse_foreign(out)
    with _encoding(settings) as encoder:
        warn_of_cut(encoder)
        layout = VectorLayout.of(encoder.dim, options.vector_dtype)

        def plan(survey: Survey) -> Plan:
            return plan_build(survey, out, encoder, layout, options.part_size, wanted)

        with build_bar() as bar:
            if not settings["dry_run"]:
                return build_index(corpus, out, encoder, options, bar, lambda survey: approval.approve(plan(survey)))
            found = survey_build(corpus, out, encoder, options, bar)
        approval.show_only(None if found is None else plan(found))
    return None


@contextmanager
def _encoding(settings: Mapping[str, Any]) -> Iterator[Encoder]:
    """The encoder that the options ask for, on one device or several."""
    from tart.encoder import Encoder
    from tart.spread import spread

    model = {name: settings[name] for name in ("dtype", "threads", "input_format")}
    if settings["devices"] is None:
        yield Encoder.load(settings["model"], device=settings["device"], dimension=settings["dimension"], **model)
        return
    if settings["device"] is not None:
        raise click.UsageError("found --device and --devices; wanted one of the two")
    with spread(settings["model"], [name.strip() for name in settings["devices"].split(",")], **model) as encoder:
        yield encoder if settings["dimension"] is None else encoder.cut(settings["dimension"])


def _named(prompt: str) -> tuple[str, str]:
    name, equals, text = prompt.partition("=")
    if not equals or not name.strip() or not text.strip():
        raise click.BadParameter(f"found {prompt!r}; wanted NAME=TEXT", param_hint="--prompt")
    return name.strip(), text.strip()


def _summary(out: Path, result: BuildResult) -> dict[str, Any]:
    manifest = result.manifest
    return {
        "index": str(out),
        "version": manifest.version,
        "fingerprint": manifest.fingerprint,
        "changed": result.changed,
        "documents": manifest.count,
        "embedded": result.embedded,
        "truncated": manifest.truncated,
        "skipped": dict(result.report.skipped),
    }


def _sentence(out: Path, result: BuildResult) -> str:
    manifest = result.manifest
    lines = [
        f"{out}: {manifest.count:,} documents, version {manifest.version}"
        + ("" if result.changed else " (unchanged)")
        + f"; {result.embedded:,} embedded now, {manifest.count - result.embedded:,} taken over"
    ]
    if manifest.truncated:
        lines.append(
            f"{manifest.truncated:,} documents were longer than the model's {manifest.model.max_length} tokens; "
            "their ends are not searched"
        )
    if result.report.skipped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in result.report.skipped.items())
        lines.append(f"skipped rows: {reasons}")
        lines.extend(f"  {message}" for message in result.report.messages)
    lines.append(f'search it: tart search {out} "your query" -i "your instruction"')
    return "\n".join(lines)


def _search(manifest: Manifest) -> str:
    structure = manifest.structure
    if structure is None:
        return "exact"
    best = structure.chosen[0]
    fresh = manifest.rows - sum(part.count for part in manifest.parts if structure.covers([part.name]))
    added = f"; {fresh:,} newer vectors exactly" if fresh else ""
    size = f"{structure.bytes_per_vector:,.0f} bytes a vector"
    return f"{structure.factory}, recall at {best.k} {best.recall:.3f}, {size}{added}"


def _cut(manifest: Manifest) -> str:
    return "" if manifest.cut_dim is None else f", cut from {manifest.model.full_dim}"


def _name(key: str) -> str:
    return key if key and key.isprintable() else repr(key)


def _types(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} in {count:,}" for kind, count in counts.items())


def _print_rows(rows: Mapping[str, str]) -> None:
    width = max(map(len, rows))
    for name, value in rows.items():
        click.echo(f"{name:<{width}}  {value}")
