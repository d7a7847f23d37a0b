"""Wrong set-up raises with a name and a fix; wrong data is counted by reason, dropped, and harms nothing else."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from series_reading import value_of, values_of

from activation_health import Layer, Monitor
from activation_health.spec import REASONS

DROPPED = "model_activation_dropped_observations_total"


def monitor_of(*layers: str | Layer) -> Monitor:
    return Monitor("m", "1", layers or ("h",), window=4, rows_per_second=1e12)


@pytest.mark.parametrize(
    ("layer", "value", "reason", "named"),
    [
        ("h", np.zeros(4, np.float32), "rank", "(4,)"),
        ("h", np.float32(3), "dtype", "'h'"),
        ("h", np.zeros((), np.float32), "rank", "()"),
        ("h", np.zeros((0, 4), np.float32), "empty", "(0, 4)"),
        ("h", np.zeros((2, 4, 0), np.float32), "empty", "(2, 4, 0)"),
        ("h", np.array([[object()]]), "dtype", "object"),
        ("h", np.zeros((2, 4), np.int8), "dtype", "int8"),
        ("h", np.zeros((2, 4), np.complex64), "dtype", "complex64"),
        ("h", np.zeros((2, 4), np.longdouble), "dtype", "float128"),
        ("h", np.zeros((2, 5), np.float32), "width", "4 units, got 5"),
        ("h", [[1.0, 2.0]], "dtype", "list"),
        ("h", None, "dtype", "NoneType"),
        ("g", np.zeros((2, 4), np.float32), "unknown_layer", "'g' is not among those declared: h"),
        (["h"], np.zeros((2, 4), np.float32), "internal", "unhashable"),
    ],
)
def test_what_cannot_be_measured_is_counted_by_reason_and_explained(layer, value, reason, named) -> None:
    monitor = monitor_of()
    monitor.observe("h", np.ones((1, 4), np.float32))
    monitor.observe(layer, value)
    assert {why: value_of(monitor, DROPPED, why) for why in REASONS} == {why: float(why == reason) for why in REASONS}
    assert named in monitor.last_refusal
    assert value_of(monitor, "model_activation_samples_total", "h") == 1


def test_a_refused_observation_leaves_the_open_window_alone() -> None:
    monitor = monitor_of()
    monitor.observe("h", np.zeros((3, 4), np.float32))
    monitor.observe("h", np.ones((3, 5), np.float32))
    monitor.observe("h", np.zeros((1, 4), np.float32))
    assert value_of(monitor, "model_activation_window_dead_neurons_total", "h") == 4


def test_nan_everywhere_is_counted_as_nan_and_nothing_else() -> None:
    monitor = monitor_of()
    monitor.observe("h", np.full((4, 4), np.nan, np.float32))
    assert value_of(monitor, "model_activation_nonfinite_elements_total", "h", "nan") == 16
    assert value_of(monitor, "model_activation_zero_elements_total", "h") == 0
    assert value_of(monitor, "model_activation_window_dead_neurons_total", "h") == 0
    assert all(np.isfinite(value) for value in values_of(monitor).values())


@pytest.mark.parametrize("order", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2"])
def test_byte_order_and_strides_do_not_matter(order: str) -> None:
    plain = np.maximum(np.random.default_rng(2).normal(size=(6, 8)), 0).astype(order)
    reference, strided = monitor_of(), monitor_of()
    reference.observe("h", np.ascontiguousarray(plain[::2, ::-2]).astype(plain.dtype.newbyteorder("=")))
    strided.observe("h", plain[::2, ::-2])
    assert values_of(strided) == values_of(reference)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ((1, "1"), TypeError, "model=1 must be a string: write model='1'"),
        (("m", 2), TypeError, "version=2 must be a string: write version='2'"),
        (("m", ""), ValueError, "version=''"),
        (("m" * 200, "1"), ValueError, "1 to 128 characters"),
        (("m", "1", ["h", "h"]), ValueError, "'h' is declared already"),
        (("m", "1", [""]), ValueError, "layer name"),
        (("m", "1", [3]), ValueError, "layer name must be a non-empty string, not 3"),
        (("m", "1", [str(number) for number in range(65)]), ValueError, "at most 64 layers"),
    ],
)
def test_wrong_names_raise_when_the_monitor_is_made(arguments, error, named) -> None:
    with pytest.raises(error) as caught:
        Monitor(*arguments)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"window": 0}, "window=0"),
        ({"window": 2.5}, "window=2.5"),
        ({"window": True}, "window=True"),
        ({"one_in": 0}, "one_in=0"),
    ],
)
def test_wrong_numbers_raise_when_the_monitor_is_made(options, named) -> None:
    with pytest.raises(ValueError, match=named):
        Monitor("m", "1", **options)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"dormant_tau": 1.5}, "dormant_tau 1.5"), ({"channel_axis": 0}, "axis 0"), ({"units": 0}, "units 0")],
)
def test_a_wrong_layer_raises_when_it_is_made(options, named) -> None:
    with pytest.raises(ValueError, match=named):
        Layer("h", **options)


def test_declared_units_refuse_another_width_from_the_first_observation() -> None:
    monitor = monitor_of(Layer("h", units=8))
    monitor.observe("h", np.zeros((2, 4), np.float32))
    assert value_of(monitor, DROPPED, "width") == 1


@pytest.mark.slow
def test_threads_that_observe_together_lose_nothing() -> None:
    monitor = monitor_of()
    rows = np.eye(4, dtype=np.float32)

    def work() -> None:
        for _ in range(300):
            monitor.observe("h", rows)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value_of(monitor, "model_activation_samples_total", "h") == 8 * 300 * 4
    assert value_of(monitor, "model_activation_windows_total", "h") == 8 * 300
    assert value_of(monitor, "model_activation_zero_elements_total", "h") == 8 * 300 * 12
