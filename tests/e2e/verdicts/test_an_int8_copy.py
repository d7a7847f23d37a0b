"""An int8 copy of the same network: one that agrees is promoted, a badly calibrated one, nearly as right, goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support.live_rollout import gates
from tests.e2e.support.prober import PREFLIGHT, ProberProcess, golden_set
from tests.e2e.support.rollouts import BRISK
from tests.lab.models import holdout

if TYPE_CHECKING:
    from tests.e2e.support.rollouts import Rollouts
    from tests.lab import Member

GATES: list[dict[str, Any]] = [
    *gates("errors"),
    {"name": "accuracy", "type": "Accuracy", "versusStable": {"ratio": 1.25, "plus": "2%"}, "required": False},
    {"name": "agreement", "type": "Accuracy", "labels": "shadow", "min": "95%", "required": False},
    {"name": "dead-neurons", "type": "DeadNeurons", "profile": "SameWeights"},
    {"name": "drift", "type": "Drift", "max": "3%"},
]
ACTIVATIONS = ("dead-neurons: layer blocks/", "drift: layer blocks/")
QUICK: dict[str, Any] = {"steps": [{"weight": 50, "hold": "4s"}], "bake": "2s", "analysis": {"interval": "1s"}}
"""Drift is judged by batches of ticks: short ticks make a short test."""


@pytest.mark.long
def test_a_badly_calibrated_copy_goes_back_though_its_answers_agree_and_a_good_one_is_promoted(
    rollouts: Rollouts, member: Member, namespace: str
):
    rows, labels = holdout()
    prober = ProberProcess(member, namespace)
    golden_set(member, namespace, X=rows, labels=labels)
    live = rollouts.start(1, 2, 3, rate=0, network="int8", operate={"arguments": prober.for_the_operator})
    asked = PREFLIGHT | {"gates": ["accuracy", "agreement"]}
    live.adopt(preflight=asked, gates=GATES, **QUICK)
    live.wait_served()
    with prober, live.scenario.client(rate=BRISK, labels=False) as client:
        live.version(3)
        last = live.ended(180)["history"][-1]
        assert last["result"] == "RolledBack", live.report() + prober.log()
        assert last["message"].startswith(ACTIVATIONS), last["message"]
        live.version(2)
        assert live.ended(180)["history"][-1]["result"] == "Promoted", live.report() + prober.log()
    assert client.failed == []
