"""The operator's own metrics: each is defined where it is counted, and only there.

    self._passes = metrics.counter("modelrollout_operator_passes_total", "Passes, by how they ended", "outcome")
    self._passes.add("done")

There is no table to keep: a new metric touches the file that counts it, and `make docs` lists it. Labels must come from
a closed set, such as the outcomes of one call or the servers of the configuration, never from names that users choose.
What is known of each rollout has labels of its own, which go with the rollout: exposition/rollouts.py.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from modelrollout.ports import Ledger, LedgerFailure

if TYPE_CHECKING:
    from modelrollout.api.config import PrometheusServer
    from modelrollout.core.analysis.metrics.series import Series

Kind = Literal["counter", "gauge"]
Samples = tuple[tuple[tuple[str, ...], float], ...]
"""Label values, in the order of the labels, and the number."""
MOST_SERIES = 256
"""Of one counter: labels beyond it are counted under OTHER, so that no input makes memory grow."""
OTHER = "other"


class Counter(Protocol):
    """A number that only rises."""

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Count `amount` more under these label values, in the order of the counter's labels."""


class Metrics(Protocol):
    """Where counters are made, and gauges named."""

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """The counter of that name, made at the first call. Raises ValueError where it is defined otherwise."""

    def gauge(self, name: str, meaning: str, *labels: str, read: Callable[[], Mapping[tuple[str, ...], float]]) -> None:
        """A number that is read when it is asked for: `read` gives it by label values, in the order of `labels`."""


@dataclass(frozen=True)
class Family:
    """One metric as it is exported."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Gauge:
    family: Family
    read: Callable[[], Mapping[tuple[str, ...], float]]


@dataclass
class MemoryCounter:
    """A Counter whose values can be read."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    values: defaultdict[tuple[str, ...], float] = field(default_factory=lambda: defaultdict(float))

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """As Counter.add. Raises ValueError for a wrong number of labels or an amount below 0."""
        if len(labels) != len(self.labels) or amount < 0:
            raise ValueError(f"{self.name}: got {labels} and {amount:g}; needs {self.labels} and no less than 0")
        if labels not in self.values and len(self.values) >= MOST_SERIES:
            labels = (OTHER,) * len(labels)
        self.values[labels] += amount


class MemoryMetrics:
    """Metrics kept in memory: what the operator has without an exporter."""

    def __init__(self) -> None:
        self.counters: dict[str, MemoryCounter] = {}
        self._gauges: dict[str, _Gauge] = {}

    def counter(self, name: str, meaning: str, *labels: str) -> MemoryCounter:
        """As Metrics.counter."""
        made = self.counters.setdefault(name, MemoryCounter(name, meaning, labels))
        if (made.meaning, made.labels) != (meaning, labels):
            raise ValueError(f"{name}: defined twice, as {made.meaning!r} {made.labels} and {meaning!r} {labels}")
        return made

    def gauge(self, name: str, meaning: str, *labels: str, read: Callable[[], Mapping[tuple[str, ...], float]]) -> None:
        """As Metrics.gauge."""
        self._gauges[name] = _Gauge(Family(name, "gauge", meaning, labels), read)

    def families(self) -> list[tuple[Family, Samples]]:
        """Everything as it is now, by name; a copy, which counts of later do not change."""
        found = [(Family(one.name, "counter", one.meaning, one.labels), one.values) for one in self.counters.values()]
        read = [(one.family, one.read()) for one in self._gauges.values()]
        return sorted(
            ((family, tuple(values.items())) for family, values in (*found, *read)), key=lambda one: one[0].name
        )

    def value(self, name: str, *labels: str) -> float:
        """What was counted so far; 0 where nothing was."""
        return self.counters[name].values.get(labels, 0.0) if name in self.counters else 0.0


class CountedLedger:
    """A Ledger that hands every call on to another, and counts the queries to each server and how long they took."""

    def __init__(self, ledger: Ledger, metrics: Metrics) -> None:
        self._ledger = ledger
        self._queries = metrics.counter(
            "modelrollout_operator_queries_total",
            "Queries to a Prometheus server of the configuration, by answer or reason of failure",
            "server",
            "outcome",
        )
        self._took = metrics.counter(
            "modelrollout_operator_query_seconds_total",
            "Seconds that they took, failed ones included",
            "server",
        )

    async def range(
        self, server: PrometheusServer, selector: str, start: float, end: float
    ) -> tuple[Series, ...] | LedgerFailure:
        """As Ledger.range."""
        began = time.monotonic()
        return self._counted(server, began, await self._ledger.range(server, selector, start, end))

    async def steps(
        self, server: PrometheusServer, query: str, start: float, end: float, step: float
    ) -> tuple[Series, ...] | LedgerFailure:
        """As Ledger.steps."""
        began = time.monotonic()
        return self._counted(server, began, await self._ledger.steps(server, query, start, end, step))

    def _counted(
        self, server: PrometheusServer, began: float, answer: tuple[Series, ...] | LedgerFailure
    ) -> tuple[Series, ...] | LedgerFailure:
        self._queries.add(server.name, answer.reason if isinstance(answer, LedgerFailure) else "answered")
        self._took.add(server.name, amount=max(time.monotonic() - began, 0.0))
        return answer
