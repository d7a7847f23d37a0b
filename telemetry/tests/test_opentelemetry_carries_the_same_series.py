"""With the real SDK and its exporter to Prometheus: names, labels and numbers are those of the catalogue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from series_reading import Clock, used_monitor, values_of

from activation_health import CATALOG, Monitor

sdk: Any = pytest.importorskip("opentelemetry.sdk.metrics", reason="pip install opentelemetry-sdk")
export: Any = pytest.importorskip("opentelemetry.sdk.metrics.export")

KINDS = {family.name: family.kind for family in CATALOG}


def labelled(source: Any) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.family.name, frozenset(sample.label_map().items())): sample.value
        for group in source.collect()
        for sample in group
    }


def collected(reader: Any) -> dict[str, Any]:
    data = reader.get_metrics_data()
    return {one.name: one for of in data.resource_metrics for scope in of.scope_metrics for one in scope.metrics}


def test_prometheus_gets_each_series_under_its_own_name() -> None:
    exporter: Any = pytest.importorskip("opentelemetry.exporter.prometheus")
    from activation_health.sinks.opentelemetry import ActivationHealthInstruments  # noqa: PLC0415 - needs the SDK

    registry = CollectorRegistry()
    reader = exporter.PrometheusMetricReader(registry=registry)
    monitor = used_monitor()
    ActivationHealthInstruments(sdk.MeterProvider([reader]).get_meter("models"), monitor)
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if not name.startswith("otel_")}
            found[sample.name, frozenset(labels.items())] = sample.value
    ours = {key: value for key, value in found.items() if key[0] != "target_info"}
    assert ours == labelled(monitor)


def test_counters_are_monotonic_sums_and_the_rest_is_what_it_is() -> None:
    from activation_health.sinks.opentelemetry import ActivationHealthInstruments  # noqa: PLC0415 - needs the SDK

    reader = export.InMemoryMetricReader()
    ActivationHealthInstruments(sdk.MeterProvider([reader]).get_meter("models"), used_monitor())
    found = collected(reader)
    for name, kind in KINDS.items():
        one = found[name.removesuffix("_total") if kind == "counter" else name].data
        assert isinstance(one, export.Gauge if kind == "gauge" else export.Sum)
        assert kind == "gauge" or one.is_monotonic == name.endswith("_total")


def test_one_reading_serves_a_collection_and_the_next_one_is_new() -> None:
    from activation_health.sinks.opentelemetry import ActivationHealthInstruments  # noqa: PLC0415 - needs the SDK

    class Counting:
        def __init__(self, monitor: Monitor) -> None:
            self.monitor, self.readings = monitor, 0

        def collect(self) -> Any:
            self.readings += 1
            return self.monitor.collect()

    clock, reader = Clock(), export.InMemoryMetricReader()
    one, other = Counting(Monitor("m", "1")), Counting(Monitor("m", "2"))
    ActivationHealthInstruments(sdk.MeterProvider([reader]).get_meter("models"), one, other, clock=clock)
    for number in (1, 2):
        one.monitor.request(0.1)
        clock.now += 15
        points = collected(reader)["model_requests"].data.data_points
        assert {point.attributes["version"]: point.value for point in points} == {"1": number, "2": 0}
        assert (one.readings, other.readings) == (number, number)


def test_what_has_no_value_yet_is_left_out() -> None:
    from activation_health.sinks.opentelemetry import ActivationHealthInstruments  # noqa: PLC0415 - needs the SDK

    reader, monitor = export.InMemoryMetricReader(), Monitor("m", "1", ["h"])
    ActivationHealthInstruments(sdk.MeterProvider([reader]).get_meter("models"), monitor)
    fresh = {name for name, _ in values_of(monitor)}
    assert {name.removesuffix("_total") for name in fresh} == {
        name.removesuffix("_total") for name in collected(reader)
    }


@pytest.mark.slow  # a provider with three readers
def test_readers_of_either_temporality_see_each_row_once_whatever_another_exporter_does() -> None:
    from activation_health.sinks.opentelemetry import ActivationHealthInstruments  # noqa: PLC0415 - needs the SDK

    class Down(export.MetricExporter):
        def export(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("the collector is down")

        def shutdown(self, *_: Any, **__: Any) -> None:
            pass

        def force_flush(self, *_: Any, **__: Any) -> bool:
            return True

    delta = {sdk.ObservableCounter: export.AggregationTemporality.DELTA}
    whole, since = export.InMemoryMetricReader(), export.InMemoryMetricReader(preferred_temporality=delta)
    down = export.PeriodicExportingMetricReader(Down(), export_interval_millis=1e9)
    clock, monitor, provider = Clock(), Monitor("m", "1", ["h"]), sdk.MeterProvider([whole, since, down])
    ActivationHealthInstruments(provider.get_meter("models"), monitor, clock=clock)
    seen = []
    for _ in range(3):
        monitor.observe("h", np.ones((5, 2), np.float32))
        clock.now += 1
        down.collect()
        counted = (collected(reader)["model_activation_samples"] for reader in (whole, since))
        seen.append(tuple(one.data.data_points[0].value for one in counted))
    provider.shutdown()
    assert seen == [(5, 5), (10, 5), (15, 5)]
