"""`tart serve`: answer over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tart.errors import TartError
from tart.options import hardware_options
from tart_serve.catalog_options import catalog_options
from tart_serve.engine_options import engine_options
from tart_serve.index_arguments import index_arguments
from tart_serve.listening import Address, base_url, listen
from tart_serve.security.options import limit_options, security_options
from tart_serve.telemetry.options import telemetry_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tart_serve.engine_settings import EngineSettings
    from tart_serve.security.settings import ClientLimits, SecuritySettings
    from tart_serve.telemetry.settings import TelemetrySettings


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", "-p", default=8080, show_default=True, type=click.IntRange(0, 65_535), help="0 takes any that is free."
)
@click.option("--allow-public", is_flag=True, help="Let other machines in without keys: whoever comes can do all.")
@click.option("--model", "-m", help="Where the indexes' model is now. [default: as stored]")
@click.option("--rerank", metavar="MODEL", help="A reranker for requests that ask for it: a folder or a hub id.")
@security_options
@limit_options
@telemetry_options
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Processes. Each loads the models anew and has its share of the threads; the indexes are shared.",
)
@click.option(
    "--lanes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Batches that a process works on side by side, each with its share of the CPU threads. [default: one for each "
    "thread, at most four; one on a GPU]",
)
@engine_options
@catalog_options
@hardware_options
def serve(
    folders: tuple[str, ...],
    host: str,
    port: int,
    allow_public: bool,
    rerank: str | None,
    security: SecuritySettings,
    limits: ClientLimits,
    telemetry: TelemetrySettings,
    workers: int,
    lanes: int | None,
    engine: EngineSettings,
    reload_interval: float,
    allow_writes: bool,
    **hardware: Any,
) -> None:
    """Serve indexes over HTTP.

    DIR is an index folder, or NAME=DIR; requests call the index by that name, the folder's by default. Ctrl-C ends
    the service when requests in flight are answered. A newly published version of an index is verified and then
    switched to, without a pause.

    \b
    tart serve my-index
    tart serve papers code=/data/indexes/python --port 9000
    tart serve my-index --rerank my-reranker
    tart serve my-index --host 0.0.0.0 --keys keys.txt
    tart serve my-index --workers 4
    """
    arguments = index_arguments(folders)
    address = Address.resolve(host, port)
    if not (address.is_loopback or allow_public or security.wants_keys):
        raise TartError(
            f"{host} lets other machines in, and no key is asked for; make one (tart keys new --keys FILE) and say "
            "--keys FILE, or listen on 127.0.0.1, or say --allow-public"
        )
    from tart_serve.document_writer import WriteSettings
    from tart_serve.open_indexes import EncoderSettings
    from tart_serve.plan import ServicePlan
    from tart_serve.reloading import ReloadSettings
    from tart_serve.server import run_server
    from tart_serve.settings import ServiceSettings
    from tart_serve.workers import run_workers

    settings = ServiceSettings(
        engine=engine,
        reload=ReloadSettings(reload_interval),
        writes=WriteSettings(allow_writes),
        security=security.listening_on(address.host, is_loopback=address.is_loopback),
        limits=limits,
        telemetry=telemetry,
    )
    plan = ServicePlan(tuple(arguments), EncoderSettings(**hardware), rerank, settings, lanes)
    counts = plan.check()
    with listen(address) as listener:
        url = base_url(listener)

        def greet() -> None:
            click.echo(_greeting(url, counts, security))

        if workers == 1:
            run_server(plan(), listener, engine.timeout, greet)
        else:
            run_workers(plan, listener, workers, greet)


def _greeting(url: str, counts: Mapping[str, int], security: SecuritySettings) -> str:
    served = ", ".join(f"{name} ({count:,} documents)" for name, count in counts.items())
    return f"serving {served} at {url} (search there; the API: {url}/docs)\n{_curl(url, counts, security)}"


def _curl(url: str, names: Iterable[str], security: SecuritySettings) -> str:
    first, *others = names
    index = f', "index": "{first}"' if others else ""
    body = f'{{"query": "merge two dicts", "instruction": "Find the function that does this"{index}}}'
    key = ' -H "Authorization: Bearer $KEY"' if security.wants_keys else ""
    return f"curl -s {url}/v1/search{key} -H 'Content-Type: application/json' -d '{body}'"
