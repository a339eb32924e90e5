"""Searches a second against txtai's API and a Chroma server: the same documents, weights and queries."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from urllib.request import Request as WebRequest
from urllib.request import urlopen

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from corpus import INSTRUCTION, documents, queries
from load import Load, Request, run_load
from peer_systems import Chroma, Corpus, Environments, chroma_server, chroma_users, tart_index, txtai_server
from processes import Server, tart_server
from reporting import Spread, table, write

from tart.encoder import Encoder
from tart.model_folders import BASE_MODEL
from tart.models import locate
from tart_index import IndexFolder, Searcher, SearchRequest

HERE = Path(__file__).parent
OURS = "tart, the same weights in float32"
PAIR = "the same with --workers 2"
DEFAULT = "tart as it comes (tart-dual)"
INSTRUCTED = "tart as it comes, under an instruction"
TXTAI = "txtai"
CHROMA = "Chroma, its user embeds the query"
BARE_CHROMA = "Chroma, given ready vectors: no model runs"
TOP_K = 10
_PEERS = (TXTAI, CHROMA)
_ABOUT = """\
Each system searches the same {documents:,} documents (docstrings and code of the standard library, {words:.0f} words
on average) for the ten best, with their texts. All but the two lines "as it comes" embed with the weights of {model}
in float32. Every query is a new one, so no cache helps. A closed loop: each user asks again when it was answered.
{rounds} rounds of {seconds:g} s a system, in turn; medians, range in brackets. Server and load generator share the
machine's cores; the generator took at most {generator:.0%} of one core (Chroma's users, which embed, apart).

A Chroma server takes vectors and runs no model. So what is measured as Chroma is what its guide shows: an application
whose threads call `collection.query(query_texts=[...])`, with sentence-transformers embedding in that application. The
last line leaves the model out: it is the vector search alone, no answer to a query in words."""
_REPEATED = """\
### The same {count} queries over and over, {users} users

Here caches help whoever has one."""
_HTTP = """\
### What HTTP costs

One query at a time, medians of rounds in turn: bare encode and search in a Python process {bare:.2f} ms, through the
service {http:.2f} ms: {added:.2f} ms or {share:.0%} of the whole."""
_SAME = """\
### The same answers

The share of our ten hits that each finds too, over {count} queries: {shares}."""


class System(NamedTuple):
    """One that answers queries.

    Attributes:
        name: In the report.
        load: Runs users against it: queries, users, seconds, warm-up.
        ids: What it finds for one query.
    """

    name: str
    load: Callable[[Sequence[str], int, float, float], Load]
    ids: Callable[[str], list[str]]


def over_http(name: str, server: Server, ask: Callable[[str], Request], read: Callable[[Any], list[str]]) -> System:
    """A system that the load generator speaks to itself."""

    def load(asked: Sequence[str], users: int, seconds: float, warm_up: float) -> Load:
        found = run_load(server.url, [ask(query) for query in asked], users=users, seconds=seconds, warm_up=warm_up)
        if set(found.latencies_ms) != {200}:
            print(f"{name}: replies {found.statuses}", file=sys.stderr)
        return found

    def ids(query: str) -> list[str]:
        request = ask(query)
        content = None if request.body is None else json.dumps(request.body).encode()
        headers = {"Content-Type": "application/json"}
        asked = WebRequest(server.url + request.path, content, headers)  # noqa: S310 (loopback)
        with urlopen(asked) as reply:  # noqa: S310
            return read(json.load(reply))

    return System(name, load, ids)


def ours(name: str, server: Server, instruction: str) -> System:
    """`tart serve`."""

    def ask(query: str) -> Request:
        return Request("/v1/search", {"query": query, "instruction": instruction, "top_k": TOP_K})

    return over_http(name, server, ask, lambda reply: [hit["id"] for hit in reply["data"]])


def txtai(server: Server) -> System:
    """The API of txtai."""

    def ask(query: str) -> Request:
        return Request(f"/search?query={quote(query)}&limit={TOP_K}")

    return over_http(TXTAI, server, ask, lambda reply: [hit["id"] for hit in reply])


def chroma(found: Chroma, environments: Environments, model: Path, bare: System) -> System:
    """A Chroma server with an application in front that embeds."""

    def load(asked: Sequence[str], users: int, seconds: float, warm_up: float) -> Load:
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(asked, file)
            file.flush()
            output = chroma_users(environments, found, model, Path(file.name), (users, seconds, warm_up))
        values = json.loads(output.splitlines()[-1])
        return Load(**{**values, "latencies_ms": {int(s): v for s, v in values["latencies_ms"].items()}})

    return System(CHROMA, load, bare.ids)


def bare_chroma(found: Chroma, encoder: Encoder) -> System:
    """A Chroma server that is given vectors."""
    path = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{found.collection}/query"
    vectors: dict[str, list[float]] = {}

    def ask(query: str) -> Request:
        if query not in vectors:
            vectors[query] = encoder.encode_queries([query])[0].tolist()
        included = ["documents", "metadatas", "distances"]
        return Request(path, {"query_embeddings": [vectors[query]], "n_results": TOP_K, "include": included})

    def embed_all(asked: Sequence[str], users: int, seconds: float, warm_up: float) -> Load:
        missing = [query for query in asked if query not in vectors]
        if missing:
            vectors.update(zip(missing, encoder.encode_queries(missing).tolist(), strict=True))
        return http.load(asked, users, seconds, warm_up)

    http = over_http(BARE_CHROMA, found.server, ask, lambda reply: reply["ids"][0])
    return System(BARE_CHROMA, embed_all, http.ids)


class Measured(NamedTuple):
    """Rounds of one system with so many users."""

    per_second: Spread
    p50: Spread
    p99: Spread
    generator: float
    went_round: bool

    @classmethod
    def of(cls, loads: Sequence[Load]) -> Measured:
        """Of each round its own rate and percentiles."""
        return cls(
            Spread.of([load.per_second for load in loads]),
            Spread.of([load.percentile(50) for load in loads]),
            Spread.of([load.percentile(99) for load in loads]),
            max(load.cpu_share for load in loads),
            any(load.went_round for load in loads),
        )


def measure(
    systems: Sequence[System], ask: Callable[[str], list[str]], users: Sequence[int], options: argparse.Namespace
) -> dict[int, dict[str, Measured]]:
    """Every system at every level, in turn, as many rounds as wanted; `ask` gives the queries of a round's name."""
    loads: dict[int, dict[str, list[Load]]] = {count: {system.name: [] for system in systems} for count in users}
    for number in range(options.rounds):
        for count in users:
            asked = ask(f"round {number}, {count} users")
            for system in systems:
                load = system.load(asked, count, options.seconds, options.warm_up)
                loads[count][system.name].append(load)
                rate, tail = load.per_second, load.percentile(99)
                print(f"{count} users, {system.name}: {rate:.1f}/s, p99 {tail:.1f} ms", file=sys.stderr)
    return {count: {name: Measured.of(found) for name, found in rows.items()} for count, rows in loads.items()}


def agreement(systems: Sequence[System], asked: Sequence[str]) -> dict[str, float]:
    """The share of our ten hits that a system finds too."""
    wanted = {query: set(systems[0].ids(query)) for query in asked}
    return {
        system.name: float(np.mean([len(wanted[q] & set(system.ids(q))) / max(1, len(wanted[q])) for q in asked]))
        for system in systems
    }


class Overhead(NamedTuple):
    """Milliseconds of one query at a time, in this process and through the service."""

    bare: Spread
    http: Spread

    @property
    def added(self) -> float:
        """Milliseconds that HTTP adds."""
        return self.http.median - self.bare.median


def overhead(searcher: Searcher, system: System, ask: Callable[[str], list[str]], rounds: int, count: int) -> Overhead:
    """Medians of each round, in turn."""
    bare, http = [], []
    for number in range(rounds + 1):
        times = []
        for query in ask(f"bare {number}")[:count]:
            started = time.perf_counter()
            searcher.search([SearchRequest(query, instruction="", top_k=TOP_K)])
            times.append((time.perf_counter() - started) * 1_000)
        bare.append(float(np.median(times)))
        http.append(system.load(ask(f"http {number}"), 1, max(1.0, count * bare[-1] / 500), 0.2).percentile(50))
    # The first round warms both up.
    return Overhead(Spread.of(bare[1:]), Spread.of(http[1:]))


def level(count: int, found: dict[str, Measured]) -> str:
    """The table of one number of users."""
    rows = [
        [
            name + (" *" if one.went_round else ""),
            f"{one.per_second:,.0f}",
            f"{one.p50:,.1f}",
            f"{one.p99:,.1f}",
            f"{found[OURS].per_second.median / max(one.per_second.median, 1e-9):.1f}",
        ]
        for name, one in found.items()
    ]
    header = ["", "queries/s", "p50, ms", "p99, ms", "ours in float32 is so many times as fast"]
    return f"### {count} user{'s' * (count > 1)}\n\n" + table(header, rows)


def verdict(found: dict[int, dict[str, Measured]]) -> str:
    """What was wanted, and whether it holds."""
    most = max(found)
    better = max(found[most][peer].per_second.median for peer in _PEERS)
    times = found[most][OURS].per_second.median / better
    slower = [
        f"{figure} at {count} users against {peer}"
        for count, rows in found.items()
        for peer in _PEERS
        for figure in ("p50", "p99")
        if getattr(rows[OURS], figure).median >= getattr(rows[peer], figure).median
    ]
    lower = "p50 and p99 are lower at every level" if not slower else f"not lower: {'; '.join(slower)}"
    return f"At {most} users, {times:.1f} times the queries a second of the better peer (wanted: 3); {lower}."


def report(options: argparse.Namespace, words: float, parts: dict[str, Any], versions: str) -> None:
    """Writes report.md and report.json."""
    found: dict[int, dict[str, Measured]] = parts["distinct"]
    cost: Overhead = parts["overhead"]
    generator = max(one.generator for rows in found.values() for name, one in rows.items() if name != CHROMA)
    about = _ABOUT.format(
        documents=options.documents,
        words=words,
        model=BASE_MODEL,
        rounds=options.rounds,
        seconds=options.seconds,
        generator=generator,
    )
    share = cost.added / cost.http.median
    agreed = parts["agreement"]
    starred = any(one.went_round for rows in found.values() for one in rows.values())
    body = [
        about,
        verdict(found),
        *(level(count, rows) for count, rows in found.items()),
        *(["\\* used up its queries and began again: a cache may have helped."] if starred else []),
        _REPEATED.format(count=options.repeated, users=max(found)),
        level(max(found), parts["repeated"]).partition("\n\n")[2],
        _HTTP.format(bare=cost.bare, http=cost.http, added=cost.added, share=share),
        _SAME.format(count=options.checked, shares=", ".join(f"{name} {one:.3f}" for name, one in agreed.items())),
        f"Peers: {versions}.",
    ]
    figures = {
        "users": {count: {name: one._asdict() for name, one in rows.items()} for count, rows in found.items()},
        "repeated": {name: one._asdict() for name, one in parts["repeated"].items()},
        "overhead": {**cost._asdict(), "added_ms": cost.added, "share": share},
        "agreement": parts["agreement"],
        "peers": versions,
    }
    write(options.out, "The service against its peers", "\n\n".join(body), figures, "report", ("fastapi", "uvicorn"))


def arguments() -> argparse.Namespace:
    """What the command line says."""
    cache = Path.home() / ".cache" / "tart-bench"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=2.0)
    parser.add_argument("--queries", type=int, default=20_000, help="distinct ones of each round")
    parser.add_argument("--repeated", type=int, default=100, help="queries of the table with repetitions")
    parser.add_argument("--checked", type=int, default=50, help="queries whose answers are compared")
    parser.add_argument("--cache", type=Path, default=cache, help="where indexes are kept between runs")
    parser.add_argument("--peers", type=Path, default=cache / "peers", help="where the peers' environments are, or go")
    parser.add_argument("--out", type=Path, default=HERE, help="where the report goes")
    return parser.parse_args()


def main() -> None:
    """Measures and writes the report."""
    options = arguments()
    found = documents(options.documents)
    words = float(np.mean([len(one.text.split()) for one in found]))
    corpus = Corpus.write(options.cache, found)
    environments, model = Environments(options.peers), locate(BASE_MODEL)
    index = tart_index(corpus, "tart-minilm", "--model", BASE_MODEL, "--dtype", "float32")
    index_default = tart_index(corpus, "tart-default")

    def ask(name: str) -> list[str]:
        return list(itertools.islice(queries(found, name), options.queries))

    with contextlib.ExitStack() as servers:
        as_it_comes = servers.enter_context(tart_server(index_default))
        encoder = Encoder.load(BASE_MODEL, dtype="float32")
        collection = chroma_server(corpus, environments, model)
        servers.enter_context(collection.server)
        bare = bare_chroma(collection, encoder)
        same = ours(OURS, servers.enter_context(tart_server(index, "--dtype", "float32")), "")
        systems = [
            same,
            ours(PAIR, servers.enter_context(tart_server(index, "--dtype", "float32", "--workers", "2")), ""),
            ours(DEFAULT, as_it_comes, ""),
            ours(INSTRUCTED, as_it_comes, INSTRUCTION),
            txtai(servers.enter_context(txtai_server(corpus, environments, model))),
            chroma(collection, environments, model, bare),
            bare,
        ]
        alike = [one for one in systems if one.name not in {DEFAULT, INSTRUCTED}]
        searcher = Searcher(IndexFolder.open(index), encoder)
        parts = {
            "agreement": agreement(alike, ask("check")[: options.checked]),
            "overhead": overhead(searcher, same, ask, options.rounds, 200),
            "distinct": measure(systems, ask, options.users, options),
            "repeated": measure(systems, lambda name: ask(name)[: options.repeated], [max(options.users)], options)[
                max(options.users)
            ],
        }
    versions = "; ".join(environments.versions(peer) for peer in ("txtai", "chroma"))
    report(options, words, parts, versions)


if __name__ == "__main__":
    main()
