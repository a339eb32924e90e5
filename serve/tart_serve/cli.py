"""`tart serve`: answer over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tart.errors import TartError
from tart.options import hardware_options
from tart_serve.engine_options import engine_options
from tart_serve.index_arguments import index_arguments
from tart_serve.listening import Address, base_url, listen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tart_serve.engine_settings import EngineSettings


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", "-p", default=8080, show_default=True, type=click.IntRange(0, 65_535), help="0 takes any that is free."
)
@click.option(
    "--allow-public", is_flag=True, help="Let other machines in: there are no keys, whoever comes can search."
)
@click.option("--model", "-m", help="Where the indexes' model is now. [default: as stored]")
@click.option("--rerank", metavar="MODEL", help="A reranker for requests that ask for it: a folder or a hub id.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Processes. Each loads the models anew and has its share of the threads; the indexes are shared.",
)
@engine_options
@hardware_options
def serve(
    folders: tuple[str, ...],
    host: str,
    port: int,
    allow_public: bool,
    rerank: str | None,
    workers: int,
    engine: EngineSettings,
    **hardware: Any,
) -> None:
    """Serve indexes over HTTP.

    DIR is an index folder, or NAME=DIR; requests call the index by that name, the folder's by default. Ctrl-C ends
    the service when requests in flight are answered.

    \b
    tart serve my-index
    tart serve papers code=/data/indexes/python --port 9000
    tart serve my-index --rerank my-reranker
    tart serve my-index --workers 4
    """
    arguments = index_arguments(folders)
    address = Address.resolve(host, port)
    if not (address.is_loopback or allow_public):
        raise TartError(
            f"{host} lets other machines in, and there are no keys yet; listen on 127.0.0.1, or say --allow-public"
        )
    from tart_serve.open_indexes import EncoderSettings
    from tart_serve.plan import ServicePlan
    from tart_serve.server import run_server
    from tart_serve.settings import ServiceSettings
    from tart_serve.workers import run_workers

    plan = ServicePlan(tuple(arguments), EncoderSettings(**hardware), rerank, ServiceSettings(engine=engine))
    counts = plan.check()
    with listen(address) as listener:
        url = base_url(listener)

        def greet() -> None:
            click.echo(_greeting(url, counts))

        if workers == 1:
            run_server(plan(), listener, engine.timeout, greet)
        else:
            run_workers(plan, listener, workers, greet)


def _greeting(url: str, counts: Mapping[str, int]) -> str:
    served = ", ".join(f"{name} ({count:,} documents)" for name, count in counts.items())
    return f"serving {served} at {url} (try it: {url}/docs)\n{_curl(url, counts)}"


def _curl(url: str, names: Iterable[str]) -> str:
    first, *others = names
    index = f', "index": "{first}"' if others else ""
    body = f'{{"query": "merge two dicts", "instruction": "Find the function that does this"{index}}}'
    return f"curl -s {url}/v1/search -H 'Content-Type: application/json' -d '{body}'"
