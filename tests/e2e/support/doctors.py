"""A rollout whose operator was installed by the chart, and what `doctor` says of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.e2e.support.hands import kubectl
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.operator import configuration, rendered

if TYPE_CHECKING:
    from tests.e2e.support.rollouts import Rollouts

GATES = gates("errors", "latency", "accuracy", "dead-neurons")
LONG: dict[str, Any] = {"steps": [{"weight": 30, "hold": "30m"}]}
Findings = list[dict[str, Any]]


def started(rollouts: Rollouts, **serve: Any) -> LiveRollout:
    """Version 1 serves, and the operator's ConfigMap is there as an installation has it."""
    live = rollouts.start(1, 2, **serve)
    live.adopt(gates=GATES, **LONG)
    namespace = live.scenario.namespace
    values = {"config": configuration(live.member.site.prometheus), "watch": {"namespaces": [namespace]}}
    for obj in rendered(f"mro-{namespace}", namespace, values):
        if obj["kind"] == "ConfigMap":
            live.kube.apply(obj)
    return live


def doctor(live: LiveRollout, *more: str) -> tuple[int, Findings]:
    """(exit code, the findings)."""
    ran = kubectl(live, "doctor", "digits", "--operator-namespace", live.scenario.namespace, "--json", *more)
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout)["findings"]
