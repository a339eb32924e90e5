"""Which indexes are served just now, looked up when metrics are asked for: never those of before a switch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tart_serve.served_indexes import ServedIndex


class IndexCollector(Collector):
    """Tells version and size of every index."""

    def __init__(self, indexes: Iterable[ServedIndex]) -> None:
        self._indexes = indexes

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        labels = ("name", "version", "fingerprint", "factory")
        info = GaugeMetricFamily("tart_index_info", "The version of an index that answers.", labels=labels)
        vectors = GaugeMetricFamily("tart_index_vectors", "Documents of that version.", labels=("name",))
        for index in self._indexes:
            info.add_metric([index.name, index.version, index.fingerprint, index.factory], 1)
            vectors.add_metric([index.name], index.vectors)
        yield info
        yield vectors
