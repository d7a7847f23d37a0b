"""What keeps a monitor can be copied and pickled; the copy has the same settings and counts apart."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from series_reading import value_of, values_of

from activation_health import Monitor
from activation_health.spec import Layer

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = "model_activation_samples_total"
WAYS: dict[str, Callable[[Any], Any]] = {
    "copied": copy.deepcopy,
    "copied flat": copy.copy,
    "pickled": lambda one: pickle.loads(pickle.dumps(one)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_counts_apart_from_0(way: str) -> None:
    layers: list[str | Layer] = ["h1", Layer("h2", dormant_tau=0.025, channel_axis=-1, units=3)]
    settings: dict[str, Any] = {"window": 20, "rows_per_second": 1e9, "one_in": 1, "seed": 3, "digest": "d1"}
    monitor = Monitor("m", "1", layers, **settings)
    monitor.observe("h1", np.ones((5, 4)))
    other = WAYS[way](monitor)
    other.observe("h1", np.ones((2, 4)))
    assert (value_of(monitor, SAMPLES, "h1"), value_of(other, SAMPLES, "h1")) == (5, 2)
    assert values_of(WAYS[way](monitor)) == values_of(Monitor("m", "1", layers, **settings))
