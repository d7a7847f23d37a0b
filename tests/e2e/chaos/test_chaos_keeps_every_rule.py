"""A minute of `make chaos` with its own seed: kills, faults, aborts, good and bad versions, and no rule broken."""

from __future__ import annotations

import pytest

from tests.e2e.chaos.chaos import Chaos
from tests.e2e.support.rollouts import Rollouts

SEED = 11


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_minute_of_chaos_breaks_no_rule(rollouts: Rollouts):
    chaos = Chaos(rollouts, SEED)
    count = chaos.run(60)
    print(f"seed {SEED}: {count}")
    assert count.wrong == []
    assert count.rollouts >= 1
    assert count.kills + count.faults >= 1
