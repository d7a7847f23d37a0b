"""What a verdict rests on may change under it: the weights behind a version number, the hour behind a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from tests.e2e.support.hands import mislabelled, reasons
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.lab.models import build_repository

if TYPE_CHECKING:
    from tests.e2e.support.live_rollout import LiveRollout

QUICK = {"readyFor": "1s", "minimumRequests": 10, "warmup": "0s"}


def reload_with(live: LiveRollout, version: int, behaves_as: int) -> None:
    """Other weights under the same version number, loaded by the server that runs: no restart, never unready."""
    service = live.scenario.services[version]
    server = service.servers[0]
    build_repository(service.repository, version, model=live.scenario.model, behaves_as=behaves_as)
    answer = requests.post(f"{server.url}/v2/repository/models/{live.scenario.model}/load", json={}, timeout=30)
    answer.raise_for_status()


def test_other_weights_under_the_same_version_number_start_over_at_the_first_step(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=BRISK)
    steps = [{"weight": 20, "hold": "3s"}, {"weight": 50, "hold": "15s"}]  # as long as its discovery may take
    client = live.adopt(steps=steps, analysis=QUICK, bake="2s")
    live.version(2)
    live.wait_weight(2, 50)
    analysed = live.wait("a digest", lambda s: s["rollout"].get("digest"))["rollout"]["digest"]
    reload_with(live, 2, behaves_as=1)
    status = live.wait("its discovery", lambda s: (s.get("rollout") or {}).get("digest") not in ("", analysed, None))
    assert (status["phase"], status["step"]["index"]) == ("Stepping", 0), live.report()
    print(f"analysed {analysed}, reloaded as {status['rollout']['digest']}")
    assert live.ended_well() == "Promoted", live.report()
    assert live.weights(2) == [0, 20, 50, 20, 50, 100]
    assert reasons(live).count("WeightsChanged") == 1
    assert client is not None
    client.stop()
    assert client.failed == []


def test_an_hour_that_is_worse_for_both_versions_is_not_blamed_on_the_one_in_its_bake(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=BRISK)
    relative = {"name": "accuracy", "type": "Accuracy", "versusStable": {"ratio": 1.5, "plus": "6%"}}
    steps = [{"weight": 50, "hold": "4s"}]
    client = live.adopt(steps=steps, analysis=QUICK, bake="25s", gates=[relative])
    live.version(2)
    live.wait("all traffic", lambda s: s.get("phase") == "Baking" and s["weight"].get("observed") == 100)
    with mislabelled(live):  # whatever serves: every label of these requests is wrong
        status = live.wait("doubt", lambda s: (s.get("rollout") or {}).get("doubts") == 1)
        assert (status["phase"], status["weight"]["desired"]) == ("Stepping", 50), live.report()
        assert live.ended_well() == "Promoted", live.report()
    assert live.weights(2) == [0, 50, 100, 50, 100]
    assert reasons(live).count("BakeInDoubt") == 1
    told = next(note for reason, note in live.events() if reason == "BakeInDoubt")
    assert "(accuracy:" in told
    assert client is not None
    client.stop()
    assert client.failed == []
