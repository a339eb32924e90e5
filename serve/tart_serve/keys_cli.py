"""`tart keys`: make, list and revoke the API keys of a service."""

from __future__ import annotations

from pathlib import Path

import click

from tart_serve.security.api_keys import SCOPES, ApiKey, Scope, key_digest, new_key, parse_key_line
from tart_serve.security.key_file import add_key, read_keys, remove_key

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def keys() -> None:
    """API keys of `tart serve`.

    \b
    tart keys new --name laptop --keys keys.txt
    tart keys list --keys keys.txt
    tart keys revoke laptop --keys keys.txt
    tart serve my-index --keys keys.txt
    """


@keys.command()
@click.option("--name", required=True, help="Whose key it is; it stands in the log.")
@click.option("--scope", type=click.Choice(list(SCOPES)), default=Scope.READ.word, show_default=True, help="It opens.")
@click.option("--keys", "file", metavar="FILE", type=_FILE, help="Add the key here. [default: print its line only]")
def new(name: str, scope: str, file: Path | None) -> None:
    """Make a key and print it, once: only its hash is stored.

    `read` is enough to search, embed, rerank and read documents; `write` also changes documents; `admin` does all.
    A running service takes the key at once.
    """
    key = new_key()
    # By way of its line, so that a name which the service would not read is refused here.
    stored = parse_key_line(ApiKey(name, SCOPES[scope], key_digest(key)).line)
    if file is None:
        click.echo(f"the line for --keys FILE or TART_API_KEYS: {stored.line}", err=True)
    else:
        add_key(file, stored)
        click.echo(f"added {stored.name} ({stored.scope.word}) to {file}; the key is shown only now:", err=True)
    click.echo(key)


@keys.command("list")
@click.option("--keys", "file", metavar="FILE", type=_FILE, required=True, help="Of the keys.")
def list_keys(file: Path) -> None:
    """List names and scopes."""
    for key in read_keys(file):
        click.echo(f"{key.name}\t{key.scope.word}")


@keys.command()
@click.argument("name")
@click.option("--keys", "file", metavar="FILE", type=_FILE, required=True, help="Of the keys.")
def revoke(name: str, file: Path) -> None:
    """Take a key away. A running service refuses it from its next request on."""
    remove_key(file, name)
    click.echo(f"revoked {name}", err=True)
