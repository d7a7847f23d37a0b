"""prometheus_client reads a Monitor when it is scraped; nothing is copied into client metrics in between.

Needs the extra `prometheus` (prometheus_client).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from prometheus_client.metrics_core import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from activation_health.catalog import Group, Sample


class Source(Protocol):
    """A Monitor, or SharedTotals where several workers answer one port."""

    def collect(self) -> Iterable[Group]: ...


class ActivationHealthCollector:
    """Register it: `REGISTRY.register(ActivationHealthCollector(monitor))`. Sources must not share series."""

    def __init__(self, *sources: Source) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        metrics: dict[str, Metric] = {}
        for source in self._sources:
            for group in source.collect():
                for sample in group:
                    name = sample.family.name
                    if name not in metrics:
                        metrics[name] = _metric(sample)
                    metrics[name].add_sample(name, sample.label_map(), sample.value)
        yield from metrics.values()


def _metric(sample: Sample) -> Metric:
    family = sample.family
    if family.kind == "counter" and family.name.endswith("_total"):
        return Metric(family.name.removesuffix("_total"), family.help, "counter")
    # The client would add _total to a counter named _bucket, _count or _sum: "unknown" leaves names alone.
    return Metric(family.name, family.help, "gauge" if family.kind == "gauge" else "unknown")
