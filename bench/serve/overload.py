"""Ten times more than the service can do: how long the admitted wait, what the others are told, what memory does."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from corpus import documents, queries
from load import LOST, UNREACHED, Load, Request, merged, run_load
from peer_systems import Corpus, tart_index
from processes import Server, Watch, tart_server
from reporting import Spread, table, write

from tart.documents import Document

HERE = Path(__file__).parent
_EVERY_TENTH = 10
_ABOUT = """\
`tart serve` as it comes, over {documents:,} documents, with at most {bound} requests let in. Every query is a new one
of {low} to {high} words; every tenth request is a list of four shorter ones. {rounds} rounds of {seconds:g} s, in turn;
medians, range in brackets. Server and load generator share the machine's cores.

- **Full load** is a closed loop of {bound} users: the batcher's queue is as full as it may be, and nobody is refused.
- **Overload** is an open loop at {factor:g} times the rate that was answered under full load. A latency counts from
  when the request was due. A request that finds all of the generator's {connections} connections busy is not sent; it
  is counted as not offered."""


def requests(found: Sequence[Document], seed: str, words: tuple[int, int], count: int) -> list[Request]:
    """Searches, every tenth of them with four queries of a quarter of the words."""
    single = queries(found, seed, words)
    short = queries(found, f"{seed}, lists", (max(2, words[0] // 4), max(3, words[1] // 4)))

    def bodies() -> Iterator[Request]:
        for number in itertools.count(1):
            several = number % _EVERY_TENTH == 0
            query = list(itertools.islice(short, 4)) if several else next(single)
            yield Request("/v1/search", {"query": query, "top_k": 10, "truncate": True})

    return list(itertools.islice(bodies(), count))


def measure(server: Server, found: Sequence[Document], options: argparse.Namespace) -> tuple[list[Load], list[Load]]:
    """Full load and overload in turn."""
    words = (options.words, options.words + options.words // 2)
    full, over = [], []
    for number in range(options.rounds):
        asked = requests(found, f"full {number}", words, options.requests)
        full.append(run_load(server.url, asked, users=options.bound, seconds=options.seconds, warm_up=2))
        rate = options.factor * sum(map(len, full[-1].latencies_ms.values())) / options.seconds
        asked = requests(found, f"over {number}", words, options.requests)
        connections = 2 * options.bound
        over.append(run_load(server.url, asked, users=connections, seconds=options.seconds, warm_up=2, rate=rate))
        print(f"full {full[-1].statuses}, over {over[-1].statuses}", file=sys.stderr)
    return full, over


def row(name: str, loads: Sequence[Load]) -> list[str]:
    """A line of the table."""
    answered = Spread.of([load.per_second for load in loads])
    offered = Spread.of([(load.sent + load.not_offered) / load.seconds for load in loads])
    tails = [Spread.of([load.percentile(percent) for load in loads]) for percent in (50, 99)]
    whole = merged(loads)
    return [name, f"{offered:,.0f}", f"{answered:,.0f}", *(f"{tail:,.0f}" for tail in tails), f"{whole.cpu_share:.0%}"]


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--words", type=int, default=60, help="of a query, at least; more make requests dearer")
    parser.add_argument("--bound", type=int, default=64, help="requests that the service lets in")
    parser.add_argument("--factor", type=float, default=10.0, help="overload, in multiples of what is answered")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--requests", type=int, default=20_000, help="distinct ones of each run")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tart-bench")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    found = documents(options.documents)
    index = tart_index(Corpus.write(options.cache, found), "tart-default")
    with tart_server(index, "--max-requests", str(options.bound)) as server:
        # What is allocated once, such as the largest batch's memory, is so before the watch begins.
        warm = requests(found, "warm", (options.words, options.words), options.requests)
        run_load(server.url, warm, users=options.bound, seconds=options.seconds, warm_up=0)
        with Watch(server, 0.5) as watch:
            full, over = measure(server, found, options)
    report(options, full, over, [usage.pss for _, usage in watch.samples])


def report(options: argparse.Namespace, full: Sequence[Load], over: Sequence[Load], memory: Sequence[float]) -> None:
    """Writes overload.md and overload.json."""
    ratio = Spread.of([high.percentile(99) / low.percentile(99) for low, high in zip(full, over, strict=True)])
    whole, calm = merged(over), merged(full)
    others = {s: n for s, n in whole.statuses.items() if s not in {200, 429}}
    third = max(1, len(memory) // 3)
    before, after = Spread.of(memory[:third]), Spread.of(memory[-third:])
    about = _ABOUT.format(
        **{name: getattr(options, name) for name in ("documents", "bound", "rounds", "seconds", "factor")},
        low=options.words,
        high=options.words + options.words // 2,
        connections=2 * options.bound,
    )
    header = ["", "offered/s", "answered/s", "p50 of these, ms", "p99 of these, ms", "generator, of a core"]
    told = "all said when to come again" if not whole.no_retry_after else f"{whole.no_retry_after} lacked Retry-After"
    lost = whole.statuses.get(LOST, 0) + whole.statuses.get(UNREACHED, 0)
    body = [
        about,
        table(header, [row("full load", full), row("overload", over)]),
        f"p99 of the admitted is {ratio:.2f} times that under full load (wanted: at most 2).",
        (
            f"Under overload {whole.statuses.get(429, 0):,} of {whole.sent:,} requests were refused with 429 ({told}); "
            f"not offered: {whole.not_offered:,}; lost: {lost}; other replies: {others or 'none'}. "
            f"Under full load the replies were {calm.statuses}."
        ),
        f"Proportional memory: {before:,.0f} MiB in the first third of the time, {after:,.0f} MiB in the last.",
    ]
    figures = {
        "p99_ratio": ratio._asdict(),
        "statuses": {"full": calm.statuses, "over": whole.statuses},
        "no_retry_after": whole.no_retry_after,
        "not_offered": whole.not_offered,
        "pss_mib": {"first": before._asdict(), "last": after._asdict()},
        "p99_ms": {"full": [one.percentile(99) for one in full], "over": [one.percentile(99) for one in over]},
        "answered": {"full": [one.per_second for one in full], "over": [one.per_second for one in over]},
    }
    write(options.out, "The service under ten times its load", "\n\n".join(body), figures, "overload")


if __name__ == "__main__":
    main()
