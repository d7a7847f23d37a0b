"""As many layers as telemetry takes, with names as frameworks give them: what there is to say must not keep traffic."""

from __future__ import annotations

import re

from tests.e2e.support.live_rollout import gates
from tests.e2e.support.rollouts import BRISK, Rollouts

LAYERS = 64


def test_sixty_four_layers_with_nearly_all_of_their_units_dead_are_rolled_back(rollouts: Rollouts):
    live = rollouts.start(1, rate=BRISK, copies=LAYERS)
    live.scenario.serve(2, behaves_as=1, copies=LAYERS, kill=(1, 0.95))
    dead = {"type": "DeadNeurons", "profile": "SameWeights"}
    live.adopt(gates=[*gates("errors"), {"name": "dead-neurons"} | dead])
    live.version(2)
    status = live.ended()
    last = status["history"][-1]
    assert last["result"] == "RolledBack", live.report()
    assert (status["phase"], status["reason"]) == ("RolledBack", "GateFailed"), live.report()
    assert "dead-neurons: layer model.encoder.layers." in last["message"]
    named = re.findall(r"model\.encoder\.layers\.[0-9]+", status["message"])
    assert 2 <= len(set(named)) <= 6, "of all that the last scrape saw, only the first few are named"
    assert live.weight(1) == 100
