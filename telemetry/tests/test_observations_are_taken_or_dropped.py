"""An observation is either taken or dropped, so that one of the two counters is a share of both."""

from __future__ import annotations

import numpy as np
import pytest
from series_reading import value_of

from activation_health import Monitor


@pytest.mark.parametrize("one_in", [1, 10])
@pytest.mark.parametrize("rows", [1, 32, 300])
def test_the_share_that_is_dropped_is_that_of_the_observations(one_in: int, rows: int) -> None:
    """A tenth of them has the right width, in batches of any size, above the rate cap and one request in k."""
    monitor = Monitor("m", "1", ["h"], one_in=one_in)
    for number in range(1000):
        monitor.observe("h", np.ones((rows, 2 if number < 50 or number % 10 == 0 else 3), np.float32))
    taken = value_of(monitor, "model_activation_observations_total", "h")
    dropped = value_of(monitor, "model_activation_dropped_observations_total", "width")
    assert taken + dropped == 1000 / one_in
    assert 0.7 < dropped / (taken + dropped) < 0.95
