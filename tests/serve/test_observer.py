from __future__ import annotations

import asyncio

from tart_index import Searcher, SearchRequest
from tart_index.filters import parse_filter
from tart_serve.engine import Engine
from tart_serve.engine_settings import EngineSettings
from tart_serve.lanes import Lanes
from tart_serve.observer import NullObserver, Stage
from tart_serve.served_indexes import ServedIndex
from tart_serve.served_reranker import ServedReranker
from tests.serve.held_model import held, waiting


class Noting(NullObserver):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []
        self.stages: list[Stage] = []
        self.lookups: list[tuple[int, int]] = []
        self.depths: list[int] = []
        self.seconds = 0.0

    def batch(self, size: int, tokens: int) -> None:
        self.batches.append((size, tokens))

    def stage(self, name: Stage, seconds: float) -> None:
        self.stages.append(name)
        self.seconds += seconds

    def queue_depth(self, callers: int) -> None:
        self.depths.append(callers)

    def cache(self, name: str, hits: int, misses: int) -> None:
        self.lookups.append((hits, misses))


def test_an_observer_is_told_of_every_batch(searcher: Searcher) -> None:
    noting = Noting()
    index = ServedIndex("code", searcher, "1", searcher.folder.manifest.fingerprint)
    narrowed = parse_filter({"type": "eq", "key": "kind", "value": "code"})

    async def ask() -> None:
        engine = Engine(Lanes(), ServedReranker(None), EngineSettings(), noting)
        async with held(engine) as release:
            asked = [
                asyncio.create_task(engine.search(index, [SearchRequest(query, filter=narrowed)]))
                for query in ("merge", "merge", "sort")
            ]
            await waiting(engine, 4)
            release.set()
            await asyncio.gather(*asked)
        await engine.search(index, [SearchRequest("sort")])
        await engine.close()

    asyncio.run(ask())
    read = len(searcher.encoder.tokenize_queries(["merge", "sort"]).ids)
    assert noting.batches == [(1, 0), (3, read), (1, 0)]
    assert noting.lookups == [(0, 0), (1, 2), (1, 0)]
    assert noting.stages == [
        *("queue",),
        *("queue", "queue", "queue", "tokenize", "encode", "search", "filter", "fetch"),
        *("queue", "tokenize", "encode", "search", "fetch"),
    ]
    assert noting.seconds > 0
    assert max(noting.depths) == 3
    assert noting.depths[-1] == 0
