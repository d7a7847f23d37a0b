"""Memory follows the width of the layers, not the traffic: 9 bytes a unit, what waits, and 128 KiB a thread."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from activation_health import LabelJoiner, Layer, Monitor
from activation_health.evals import EvalCounters

UNITS = 200_000
FIXED = 40_000  # totals, histogram, locks and the like of one layer
WAITING = 16384 * 4  # float32


def kept_by(layer: Layer, requests: int, units: int = UNITS) -> int:
    rows = np.ones((2, units), np.float32)
    monitor = Monitor("m", "1", [layer], rows_per_second=1e12)
    monitor.observe("h", rows[:, :1] if layer.units == 1 else rows[:1, :])
    list(monitor.collect())  # the thread's scratch exists now, and the table's of the float type
    del monitor
    tracemalloc.start()
    monitor = Monitor("m", "1", [layer], rows_per_second=1e12)
    for _ in range(requests):
        monitor.observe("h", rows)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept


@pytest.mark.parametrize(("tau", "bytes_per_unit"), [(None, 1), (0.025, 9)])
@pytest.mark.slow
def test_a_layer_keeps_no_more_than_it_says(tau: float | None, bytes_per_unit: int) -> None:
    layer = Layer("h", dormant_tau=tau)
    assert kept_by(layer, 3) <= bytes_per_unit * UNITS + FIXED
    assert kept_by(layer, 12) <= bytes_per_unit * UNITS + FIXED


@pytest.mark.slow
def test_rows_that_wait_stay_within_their_bound() -> None:
    assert kept_by(Layer("h"), 3, units=100) <= 100 + WAITING + FIXED
    assert kept_by(Layer("h"), 3000, units=100) <= 100 + WAITING + FIXED


def test_a_joiner_keeps_no_more_than_its_capacity() -> None:
    joiner = LabelJoiner(EvalCounters(), capacity=100)
    for number in range(5000):
        joiner.answered(f"request-{number}", [1])
    assert len(joiner) == 100
