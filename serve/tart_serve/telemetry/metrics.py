"""What the service counts and times, in Prometheus's form."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tart_serve.observer import Cache, Stage
from tart_serve.telemetry.shared_metrics import SHARED_FOLDER

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
Reload: TypeAlias = Literal["switched", "unchanged", "refused"]

_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_TOKENS = tuple(4**power for power in range(2, 10))
_CALLERS = tuple(2**power for power in range(9))


class ServiceMetrics:
    """The metrics of one service, told by all its parts; an `Observer` of the engine."""

    def __init__(self) -> None:
        self._shared = SHARED_FOLDER in os.environ
        self._registry = CollectorRegistry()
        # What is shared is read from the folder; registered as well, it would be counted twice.
        registry = None if self._shared else self._registry
        self._requests = Histogram(
            "tart_http_request_duration_seconds",
            "From the request's head to the reply's end.",
            ["route", "code"],
            registry=registry,
            buckets=_REQUEST_SECONDS,
        )
        self._stages = Histogram(
            "tart_stage_duration_seconds",
            "One stage of one batch; the queue of one caller.",
            ["stage"],
            registry=registry,
            buckets=_STAGE_SECONDS,
        )
        self._batch_tokens = Histogram(
            "tart_batch_tokens", "Tokens of a batch that went to the model.", registry=registry, buckets=_TOKENS
        )
        self._batch_size = Histogram(
            "tart_batch_size", "Callers whose work went to the model together.", registry=registry, buckets=_CALLERS
        )
        self._queue_depth = Gauge(
            "tart_queue_depth", "Callers that wait for the model.", registry=registry, multiprocess_mode="livesum"
        )
        self._rejected = Counter(
            "tart_rejected", "Requests that were refused or dropped unanswered.", ["reason"], registry=registry
        )
        self._reloads = Counter(
            "tart_index_reload", "Reloads of an index, by what came of them.", ["result"], registry=registry
        )
        self._cache_hits = Counter("tart_cache_hits", "Values that a cache had.", ["cache"], registry=registry)
        self._cache_misses = Counter("tart_cache_misses", "Values that a cache had not.", ["cache"], registry=registry)
        if self._shared:
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]

    def request(self, route: str, code: int, seconds: float) -> None:
        """A request was answered.

        Args:
            route: Its template: a label for each path would fill the memory of whoever collects.
            code: Of the reply.
            seconds: It took.
        """
        self._requests.labels(route, str(code)).observe(seconds)

    def batch(self, size: int, tokens: int) -> None:
        """A batch goes to the model."""
        self._batch_size.observe(size)
        self._batch_tokens.observe(tokens)

    def stage(self, name: Stage, seconds: float) -> None:
        """A stage of a batch has ended."""
        self._stages.labels(name).observe(seconds)

    def rejected(self, reason: str) -> None:
        """A request was refused, or dropped unanswered."""
        self._rejected.labels(reason).inc()

    def queue_depth(self, callers: int) -> None:
        """So many callers wait for the model now."""
        self._queue_depth.set(callers)

    def cache(self, name: Cache, hits: int, misses: int) -> None:
        """A cache was asked."""
        self._cache_hits.labels(name).inc(hits)
        self._cache_misses.labels(name).inc(misses)

    def reloaded(self, result: Reload) -> None:
        """An index was looked at for a new version, and that was taken, was none, or was refused."""
        self._reloads.labels(result).inc()

    def register(self, collectors: Iterable[Collector]) -> None:
        """Adds what is looked up when metrics are asked for."""
        for collector in collectors:
            self._registry.register(collector)

    def exposition(self) -> bytes:
        """All metrics, as text."""
        return generate_latest(_WithoutCreation(self._registry))


class _WithoutCreation(Collector):
    """Leaves out when each series was made, which the library adds as a series of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """All metrics of the registry."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
