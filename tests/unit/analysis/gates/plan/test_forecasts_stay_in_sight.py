"""A forecast names requests and minutes that somebody can wait for; beyond them it says that nothing can be proven."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.gates.formatting import eta

CANNOT = "cannot be proven at this traffic"


@pytest.mark.parametrize(
    ("requests", "per_second", "text"),
    [
        (1300, 2.4, "needs about 1,300 more requests, about 9 min"),
        (138.7e6, 4.0, CANNOT),
        (200_000, 1.0, CANNOT),
        (2e6, 0.0, CANNOT),
        (1.3e6, 1000.0, "needs about 22 min more"),
        (float("inf"), 4.0, "no decision in sight at these rates"),
    ],
)
def test_what_is_said(requests, per_second, text):
    assert eta(requests, per_second) == text


@given(requests=st.floats(0, 1e12), per_second=st.floats(0, 1e5))
def test_no_forecast_speaks_of_millions_or_of_days(requests, per_second):
    text = eta(requests, per_second)
    assert "million" not in text
    assert "days" not in text
