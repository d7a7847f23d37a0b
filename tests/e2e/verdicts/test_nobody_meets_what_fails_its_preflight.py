"""A golden set is answered before any user meets a version: who fails it never answers one, whatever is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.e2e.support.live_rollout import gates
from tests.e2e.support.prober import PREFLIGHT, ProberProcess, golden_set
from tests.e2e.support.rollouts import BRISK
from tests.lab.models import split

if TYPE_CHECKING:
    from tests.e2e.support.rollouts import Rollouts
    from tests.lab import Member

ROWS = 500


def rows() -> dict[str, np.ndarray]:
    """The hold-out, and as many rows of the others as make 500."""
    x, held_x, y, held_y = split()
    return {"X": np.concatenate([held_x, x])[:ROWS], "labels": np.concatenate([held_y, y])[:ROWS]}


def test_dead_units_and_nan_are_found_at_weight_0_and_a_good_version_goes_on(
    rollouts: Rollouts, member: Member, namespace: str
):
    prober = ProberProcess(member, namespace)
    golden_set(member, namespace, **rows())
    live = rollouts.start(1, 2, 3, 5, rate=BRISK, operate={"arguments": prober.for_the_operator})
    with prober:
        chosen = gates("errors", "latency", "accuracy", "dead-neurons", "non-finite")
        client = live.adopt(preflight=PREFLIGHT, gates=chosen)
        for bad in (3, 5):
            live.version(bad)
            last = live.ended(240)["history"][-1]
            assert (last["result"], last["reason"]) == ("Rejected", "PreflightFailed"), live.report() + prober.log()
            print("preflight of", bad, last)
            assert client.versions().get(str(bad), 0) == 0
            assert set(live.weights(bad)) <= {0}
        live.version(2)
        passed = live.wait("the pre-flight", lambda s: (s.get("preflight") or {}).get("passed"), 240)
        assert passed["preflight"]["rows"] == ROWS
        assert client.versions().get("2", 0) == 0
        assert live.ended(240)["history"][-1]["result"] == "Promoted", live.report()
        print(live.report())
    assert client.versions()["2"] > 0
    assert client.failed == []
