"""The text sink, the prometheus_client collector and the catalogue agree on names, labels and numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from series_reading import used_monitor, values_of

from activation_health import CATALOG, Monitor
from activation_health.reference import reference
from activation_health.sinks.prometheus import ActivationHealthCollector
from activation_health.sinks.text import render

PROMISED = {
    "model_activation_samples_total",
    "model_activation_elements_total",
    "model_activation_zero_elements_total",
    "model_activation_negative_elements_total",
    "model_activation_nonfinite_elements_total",
    "model_activation_abs_bucket",
    "model_activation_windows_total",
    "model_activation_window_neurons_total",
    "model_activation_window_dead_neurons_total",
    "model_activation_window_dead_neurons_squared_total",
    "model_activation_window_size",
    "model_activation_info",
    "model_eval_correct_total",
    "model_eval_total",
    "model_requests_total",
    "model_request_errors_total",
    "model_request_duration_seconds_bucket",
    "model_request_duration_seconds_count",
}


def parsed(text: str, parse) -> dict:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def expected(monitor: Monitor) -> dict:
    return {
        (sample.family.name, frozenset(sample.label_map().items())): sample.value
        for group in monitor.collect()
        for sample in group
    }


def test_the_text_sink_gives_every_series_and_its_value() -> None:
    monitor = used_monitor()
    assert parsed(render(monitor), parse_text) == expected(monitor)


def test_the_collector_gives_every_series_in_both_formats() -> None:
    monitor, registry = used_monitor(), CollectorRegistry()
    registry.register(ActivationHealthCollector(monitor))
    assert parsed(generate_latest(registry).decode(), parse_text) == expected(monitor)
    assert parsed(generate_openmetrics(registry).decode(), parse_openmetrics) == expected(monitor)


def test_the_committed_metric_reference_is_the_generated_one() -> None:
    committed = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert committed.read_text() == reference(), "run: python -m activation_health.reference > docs/metrics.md"


def test_two_versions_share_one_collector() -> None:
    monitors = [Monitor("digits", version, ["h"]) for version in ("1", "2")]
    text = render(*monitors)
    assert text.count("# TYPE model_activation_windows_total counter") == 1
    registry = CollectorRegistry()
    registry.register(ActivationHealthCollector(*monitors))
    both = {**expected(monitors[0]), **expected(monitors[1])}
    assert parsed(generate_latest(registry).decode(), parse_text) == both
    assert parsed(text, parse_text) == both


def test_every_promised_name_is_in_the_catalogue_and_exists_before_the_first_request() -> None:
    fresh = {name for name, _ in values_of(Monitor("m", "1", ["h"]))}
    assert fresh >= PROMISED
    catalogued = {family.name for family in CATALOG}
    assert catalogued - fresh == {"model_activation_alpha_mean", "model_activation_alpha_variance"}


def test_a_fresh_monitor_has_every_counter_at_zero() -> None:
    kinds = {family.name: family.kind for family in CATALOG}
    fresh = values_of(Monitor("m", "1", ["h"]))
    assert {value for (name, _), value in fresh.items() if kinds[name] == "counter"} == {0}


def test_series_exist_once_and_only_their_values_change() -> None:
    before = [sample.key for group in Monitor("m", "1", ["a", "b"]).collect() for sample in group]
    assert len(before) == len(set(before)) == 125
    assert "125 series" in reference()


@pytest.mark.parametrize(
    ("seconds", "le_of_first_bucket_hit"), [(0.0, "0.001"), (0.001, "0.001"), (0.00101, "0.0012"), (99.0, "+Inf")]
)
def test_a_duration_lands_in_the_first_bucket_it_does_not_exceed(seconds: float, le_of_first_bucket_hit: str) -> None:
    monitor = Monitor("m", "1")
    monitor.request(seconds)
    hit = [
        labels[-1]
        for (name, labels), value in values_of(monitor).items()
        if name == "model_request_duration_seconds_bucket" and value
    ]
    assert min(hit, key=float) == le_of_first_bucket_hit
    assert "+Inf" in hit


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_an_impossible_duration_is_counted_as_longest_and_poisons_nothing(seconds: float) -> None:
    monitor = Monitor("m", "1")
    monitor.request(seconds)
    values = values_of(monitor)
    assert all(np.isfinite(value) for value in values.values())
    assert values["model_request_duration_seconds_bucket", ("m", "1", "+Inf")] == 1
    assert values["model_request_duration_seconds_count", ("m", "1")] == 1
