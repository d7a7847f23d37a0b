"""An ONNX model is watched without a line of its own: a better one is promoted, a damaged copy rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.support.live_rollout import gates
from tests.e2e.support.rollouts import BRISK

if TYPE_CHECKING:
    from tests.e2e.support.rollouts import Rollouts


def test_an_onnx_model_is_promoted_and_its_damaged_copy_rolled_back_by_the_layers_name(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=0, network="onnx")
    live.scenario.serve(3, behaves_as=2, network="onnx", kill=(1, 0.3))
    live.adopt(gates=gates("errors", "dead-neurons"))
    live.wait_served()
    with live.scenario.client(rate=BRISK, labels=False) as client:
        live.version(2)
        assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
        dead = {"name": "dead-neurons", "type": "DeadNeurons", "profile": "SameWeights"}
        live.change({"spec": {"gates": [*gates("errors"), dead]}})
        live.version(3)
        last = live.ended()["history"][-1]
        assert last["result"] == "RolledBack", live.report()
        assert "dead-neurons: layer blocks/0/relu" in last["message"]
    assert client.failed == []
