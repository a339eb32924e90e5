"""`tart index import` and `tart index export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tart.errors import SourceError
from tart.formats import PRESETS
from tart.options import hardware_options, model_option
from tart_index.planning_options import Approval, plan_options
from tart_index.read_options import read_options, reading
from tart_index.vector_options import vector_options, warn_of_cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tart.documents import Document
    from tart_index.corpus import Corpus
    from tart_index.importing import VectorStream
    from tart_index.planning.plan import Plan
    from tart_index.planning.sizes import VectorLayout
    from tart_index.progress import BuildBar

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")


@click.command("import")
@click.argument("sources", nargs=-1, metavar="[SOURCE...]")
@click.option("--out", "-o", required=True, type=click.Path(path_type=Path), help="The index folder, new or empty.")
@click.option(
    "--vectors", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The .npy with one row a document."
)
@click.option(
    "--vector-column", default="vector", show_default=True, help="Of a Parquet SOURCE that holds its vectors."
)
@click.option(
    "--ids",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of ids, one a line, where there are no texts; needs --trust.",
)
@model_option()
@click.option(
    "--format", "input_format", type=click.Choice(list(PRESETS)), help="Input format. [default: the model's own]"
)
@vector_options
@click.option("--trust", is_flag=True, help="Do not compare some vectors with the model's own.")
@read_options
@hardware_options
@plan_options
@_JSON
def import_index(sources: tuple[str, ...], out: Path, as_json: bool, **settings: Any) -> None:
    """Make an index of vectors that another program made.

    The documents come from SOURCE, as in tart index build, the vectors from --vectors in the same order, or from a
    column of a Parquet SOURCE. The model must be the one that made them: some documents are embedded anew and compared.

    \b
    tart index import docs.jsonl --vectors docs.npy --model all-MiniLM-L6-v2 --out my-index
    tart index import rows.parquet --vector-column embedding --model BAAI/bge-small-en-v1.5 --out my-index
    tart index import --ids ids.txt --vectors docs.npy --model all-MiniLM-L6-v2 --trust --out my-index
    """
    from tart.encoder import Encoder
    from tart_index.importing import import_vectors
    from tart_index.planning.sizes import VectorLayout
    from tart_index.progress import build_bar
    from tart_index.writer import refuse_foreign

    refuse_foreign(out)
    approval = Approval(settings, as_json=as_json)
    corpus, vectors = _corpus(sources, settings), _vectors(sources, settings)
    encoder = Encoder.load(
        settings["model"],
        device=settings["device"],
        dtype=settings["dtype"],
        threads=settings["threads"],
        input_format=settings["input_format"],
        dimension=settings["dimension"],
    )
    warn_of_cut(encoder)
    with build_bar() as bar:
        plan = _plan(corpus, out, VectorLayout.of(encoder.dim, settings["vector_dtype"]), bar)
        if not settings["dry_run"]:
            if plan is not None:
                approval.approve(plan)
            result = import_vectors(
                corpus,
                vectors,
                out,
                encoder,
                trust=settings["trust"],
                vector_dtype=settings["vector_dtype"],
                progress=bar,
            )
    if settings["dry_run"]:
        approval.show_only(plan)
        return
    approval.tell()
    manifest = result.manifest
    if as_json:
        click.echo(
            json.dumps(
                {
                    "index": str(out),
                    "documents": manifest.count,
                    "fingerprint": manifest.fingerprint,
                    "checked": result.checked,
                    "least_cosine": round(result.alike, 6),
                }
                | approval.as_json()
            )
        )
        return
    compared = f"{result.checked} embedded anew to compare, least cosine {result.alike:.4f}"
    compared = compared if result.checked else "their vectors were not compared with the model's own"
    click.echo(f"{out}: {manifest.count:,} documents imported; {compared}")


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path), help="FILE.parquet, .npy or .faiss."
)
@_JSON
def export_index(folder: Path, out: Path, as_json: bool) -> None:
    """Write the documents and vectors of an index for other programs.

    Parquet holds id, title, text, metadata (as JSON) and vector. A .npy file holds the vectors, a .faiss file a flat
    inner-product index; their ids stand in FILE.ids.txt, one JSON string a line, in the order of the rows. Vectors are
    written as float32.

    \b
    tart index export my-index --out my-index.parquet
    tart index export my-index --out my-index.faiss
    """
    from tart_index.exporting import export
    from tart_index.folder import IndexFolder

    opened = IndexFolder.open(folder)
    files = [str(file) for file in export(opened, out)]
    if as_json:
        click.echo(json.dumps({"index": str(folder), "documents": len(opened), "files": files}))
    else:
        click.echo(f"{', '.join(files)}: {len(opened):,} documents")


def _plan(corpus: Corpus, out: Path, layout: VectorLayout, bar: BuildBar) -> Plan | None:
    """None for standard input, which can be read only once."""
    from tart.readers import ReadReport
    from tart_index.parts import PART_SIZE
    from tart_index.planning.plans import plan_import
    from tart_index.planning.survey import survey_documents

    if not corpus.rereadable:
        return None
    survey = survey_documents(corpus.documents(ReadReport()), PART_SIZE, checked=bar.checked)
    return plan_import(survey, out, layout, PART_SIZE)


def _corpus(sources: tuple[str, ...], settings: Any) -> Corpus:
    from tart.documents import Document
    from tart_index.corpus import Corpus

    ids: Path | None = settings["ids"]
    if (ids is None) == (not sources):
        raise click.UsageError("give the documents as SOURCE, or --ids where there are no texts")
    if ids is None:
        return Corpus.from_sources(sources, reading(settings))
    if not settings["trust"]:
        raise click.UsageError("without texts no vector can be compared with the model's own; say --trust")

    def documents() -> Iterator[Document]:
        with ids.open(encoding="utf-8") as lines:
            try:
                for line in lines:
                    name = line.rstrip("\r\n")
                    yield Document(name, name)
            except UnicodeDecodeError as error:
                raise SourceError(f"{ids}: not UTF-8 ({error.reason}); wanted one id a line") from error

    return Corpus.from_documents(str(ids), documents)


def _vectors(sources: tuple[str, ...], settings: Any) -> VectorStream:
    from tart_index.importing import NpyVectors, ParquetVectors

    if settings["vectors"] is not None:
        return NpyVectors(settings["vectors"])
    if len(sources) != 1 or not sources[0].endswith(".parquet"):
        raise SourceError("no vectors; give --vectors FILE.npy, or one Parquet SOURCE with a column of vectors")
    return ParquetVectors(Path(sources[0]), settings["vector_column"])
