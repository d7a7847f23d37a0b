"""The same series as OpenTelemetry instruments, read when the SDK collects; whatever exporter it has carries them.

Needs the extra `opentelemetry` (opentelemetry-api); the SDK and the exporter are the application's.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from activation_health.catalog import CATALOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from activation_health.catalog import Family, Sample
    from activation_health.sinks.prometheus import Source

SAME_READING = 0.5
"""Seconds for which one reading of the sources serves all instruments: a collection asks them one after another."""


class ActivationHealthInstruments:
    """Makes an instrument of `meter` for each series of docs/metrics.md. Sources must not share series.

    Names arrive in Prometheus as they are. A counter of that name ends in `_total`, which exporters add themselves;
    the others (`_bucket`, `_count`, `_sum`) are sums that exporters leave alone.
    """

    def __init__(self, meter: Meter, *sources: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._sources, self._clock = sources, clock
        self._lock = threading.Lock()
        self._read: tuple[float, dict[str, list[Sample]]] | None = None
        for family in CATALOG:
            callback = partial(self._observe, family.name)
            _maker(meter, family)(_name(family), callbacks=[callback], unit=_unit(family), description=family.help)

    def _observe(self, name: str, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(sample.value, sample.label_map()) for sample in self._samples().get(name, ())]

    def _samples(self) -> dict[str, list[Sample]]:
        with self._lock:
            now = self._clock()
            if self._read is None or now - self._read[0] > SAME_READING:
                found: dict[str, list[Sample]] = {}
                for source in self._sources:
                    for group in source.collect():
                        for sample in group:
                            found.setdefault(sample.family.name, []).append(sample)
                self._read = now, found
            return self._read[1]


def _maker(meter: Meter, family: Family) -> Callable[..., Any]:
    made: Callable[..., Any] = meter.create_observable_up_down_counter
    if family.kind == "gauge":
        made = meter.create_observable_gauge
    elif family.name.endswith("_total"):
        made = meter.create_observable_counter
    return made


def _name(family: Family) -> str:
    return family.name.removesuffix("_total") if family.kind == "counter" else family.name


def _unit(family: Family) -> str:
    """In braces, so that exporters take it for a remark and add no suffix."""
    return "{" + family.unit + "}"
