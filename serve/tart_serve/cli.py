"""`tart serve`: answer over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tart.errors import TartError
from tart.options import hardware_options
from tart_serve.catalog_options import catalog_options
from tart_serve.index_arguments import index_arguments
from tart_serve.listening import Address, base_url, listen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tart.reranker import Reranker
    from tart_index import Searcher


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
@catalog_options
@hardware_options
def serve(
    folders: tuple[str, ...],
    host: str,
    port: int,
    allow_public: bool,
    rerank: str | None,
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
    """
    arguments = index_arguments(folders)
    address = Address.resolve(host, port)
    if not (address.is_loopback or allow_public):
        raise TartError(
            f"{host} lets other machines in, and there are no keys yet; listen on 127.0.0.1, or say --allow-public"
        )
    from tart_serve.app import create_app
    from tart_serve.document_writer import WriteSettings
    from tart_serve.open_indexes import EncoderSettings, open_indexes
    from tart_serve.reloading import ReloadSettings
    from tart_serve.server import run_server
    from tart_serve.settings import ServiceSettings

    encoders = EncoderSettings(**hardware)
    searchers = open_indexes(arguments, encoders)
    settings = ServiceSettings(
        reload=ReloadSettings(reload_interval, encoders=encoders), writes=WriteSettings(allow_writes)
    )
    app = create_app(searchers, settings, _reranker(rerank, hardware))
    with listen(address) as listener:
        greeting = _greeting(base_url(listener), searchers)
        run_server(app, listener, lambda: click.echo(greeting))


def _reranker(name: str | None, hardware: Mapping[str, Any]) -> Reranker | None:
    if name is None:
        return None
    from tart.reranker import Reranker

    return Reranker.load(name, **{key: value for key, value in hardware.items() if key != "model"})


def _greeting(url: str, searchers: Mapping[str, Searcher]) -> str:
    served = ", ".join(f"{name} ({len(searcher.folder):,} documents)" for name, searcher in searchers.items())
    return f"serving {served} at {url} (try it: {url}/docs)\n{_curl(url, searchers)}"


def _curl(url: str, names: Iterable[str]) -> str:
    first, *others = names
    index = f', "index": "{first}"' if others else ""
    body = f'{{"query": "merge two dicts", "instruction": "Find the function that does this"{index}}}'
    return f"curl -s {url}/v1/search -H 'Content-Type: application/json' -d '{body}'"
