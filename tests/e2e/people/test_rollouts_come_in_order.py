"""A canary namespace first: a rollout that comes after another one starts when that one has promoted the version."""

from __future__ import annotations

import re

import yaml

from tests import ROOT
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts

PAGE = ROOT / "docs/gitops/canary-namespace-first.md"


def test_the_second_starts_when_the_first_has_promoted_and_is_woken_by_it(rollouts: Rollouts):
    first = rollouts.start(1, 2, rate=BRISK)
    first.adopt(steps=[{"weight": 50, "hold": "4s"}], gates=gates("errors"), bake="4s")
    (manifest,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    of_the_page = yaml.safe_load(manifest)["spec"]["after"]
    second = LiveRollout(first.member, first.scenario, "second")
    gateway = first.scenario.gateway_ref | {"hostnames": ["second." + first.scenario.hostname]}
    second.apply(1, traffic={"gateway": gateway}, after=of_the_page | {"namespace": first.scenario.namespace})
    second.wait("version 1 adopted", lambda status: status.get("stable") == "1", 40)
    second.version(2)
    waiting = second.wait("its turn", lambda status: status.get("reason") == "WaitingForPredecessor", 30)
    assert (waiting["phase"], waiting.get("candidate")) == ("Serving", None)
    assert f"{first.scenario.namespace}/{first.name}, which has not promoted it yet" in waiting["message"]
    assert second.weight(2) == -1 or second.weight(2) == 0
    first.version(2)
    assert first.ended(120)["history"][-1]["result"] == "Promoted", first.report()
    started = second.wait("its start", lambda status: status.get("candidate") == "2", 15)
    assert started["rollout"]["startedAt"] >= first.status()["history"][-1]["endedAt"], second.report()
