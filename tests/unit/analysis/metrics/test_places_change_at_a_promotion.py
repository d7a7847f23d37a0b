"""Where the place among the backends tells versions apart, what it counted before a promotion is another version's."""

from __future__ import annotations

import pytest

from modelrollout.core.analysis.stats.parameters import HISTORY
from modelrollout.dialects.envoy import CILIUM, ENVOY_GATEWAY
from modelrollout.runtime.evaluation.question import first_tick
from tests.unit.analysis.recorded import START, request_of, spec_of


def history(dialect, placed_at: float | None) -> float:
    """Seconds before the rollout's start that count."""
    request = request_of(spec_of(), dialect=dialect, placed_at=placed_at)
    return -first_tick(request, 0) * request.interval


@pytest.mark.parametrize(
    ("placed_at", "seconds"),
    [(None, HISTORY), (START - 10 * HISTORY, HISTORY), (START - 601, 600), (START - 1, 0), (START, 0), (START + 60, 0)],
)
def test_history_begins_when_the_last_rollout_ended(placed_at, seconds):
    assert history(ENVOY_GATEWAY, placed_at) == seconds


def test_names_keep_their_history():
    assert history(CILIUM, START - 1) == HISTORY
    assert history(None, START - 1) == HISTORY
