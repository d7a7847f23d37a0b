"""Behind a gateway that tells nothing: Triton's own series judge, and what nobody exports is left out or refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import yaml

from tests import ROOT
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.lab import query

SHOWN = (0.5, 0.9, 0.99)
TELLS_NOTHING = {"dialects": {"traefik.io/gateway-controller": "None"}}
LATENCY: dict[str, Any] = {"type": "Latency", "quantile": 0.9, "versusStable": {"buckets": 3}, "source": "Triton"}


def serving(live: LiveRollout, label: str) -> dict[str, Any]:
    """As users write it whose storage paths all hold directory 1."""
    return {"service": live.scenario.model + "-v{version}", "port": 8000, "arm": {"label": label}}


def said(live: LiveRollout, reason: str) -> list[str]:
    return [note for found, note in live.events() if found == reason]


def test_default_gates_that_nobody_can_judge_are_left_out_and_the_rollout_ends(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=60, telemetry=False, operate=TELLS_NOTHING)
    # The defaults ask for 3,000 requests without an error, which most of the traffic brings sooner than half of it.
    client = live.adopt(gates=[], steps=[{"weight": 10, "hold": "6s"}, {"weight": 90, "hold": "6s"}])
    client.wait_for(1000)  # what stable does not export is known by the requests that it has answered
    live.version(2)
    live.wait_weight(2, 10)
    errors, latency = live.gate("errors"), live.gate("latency")
    assert errors["source"] == "Triton"
    assert (latency["leftOut"], latency["required"], latency["verdict"]) == (True, False, "NO_DATA")
    assert "nv_inference_first_response_histogram_ms_bucket (Triton)" in latency["message"]
    (note,) = said(live, "GatesLeftOut")
    assert all(name in note for name in ("latency:", "accuracy:", "dead-neurons:", "non-finite:"))
    assert live.ended(240)["history"][-1]["result"] == "Promoted", live.report()
    assert not said(live, "MetricsUnavailable")
    client.stop()
    assert client.failed == []


def test_a_gate_of_the_users_own_that_nobody_can_judge_is_refused_before_any_traffic_moves(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=BRISK, telemetry=False, operate=TELLS_NOTHING)
    client = live.adopt(gates=gates("errors", "latency"))
    client.wait_for(200)  # what stable does not export is known by the requests that it has answered
    live.version(2)
    status = live.wait("the refusal", lambda s: s.get("reason") == "GateNotJudgeable", 60)
    assert "--metrics-config histogram_latencies=true" in status["message"]
    assert {one["type"]: one["status"] for one in status["conditions"]}["Stalled"] == "True"
    live.wait("the Event", lambda _: said(live, "GateNotJudgeable"), 30)
    assert live.weights(2) in ([], [0])
    live.change({"spec": {"gates": gates("errors")}})
    live.wait_weight(2, 10)


@pytest.mark.parametrize("label", ["service", pytest.param("pod", marks=pytest.mark.long)])
def test_versions_that_both_report_version_1_are_told_apart_by_a_label_of_the_scrape(rollouts: Rollouts, label: str):
    live = rollouts.start(1, 2, rate=BRISK, directory=1)
    live.scenario.serve(3, directory=1)
    live.adopt(serving=serving(live, label), gates=gates("errors", "accuracy", "dead-neurons", "non-finite"))
    live.version(2)
    assert live.ended(180)["history"][-1]["result"] == "Promoted", live.report()
    live.version(3)
    last = live.ended(180)["history"][-1]
    assert last["result"] == "RolledBack", live.report()
    assert "dead-neurons: layer hidden_1" in last["message"]
    assert "snapshot" in live.wait("what is kept of it", lambda s: "snapshot" in s["history"][-1], 30)["history"][-1]


def test_a_slow_version_is_rolled_back_by_tritons_histogram(rollouts: Rollouts):
    live = rollouts.start(1, 4, rate=BRISK, telemetry=False, operate=TELLS_NOTHING, histogram_growth=1.25)
    client = live.adopt(gates=[*gates("errors"), {"name": "latency"} | LATENCY])
    live.version(4)
    last = live.ended(180)["history"][-1]
    assert last["result"] == "RolledBack", live.report()
    assert last["message"].startswith("latency:")
    assert live.gate("latency")["source"] == "Triton"
    client.stop()
    for version in ("1", "4"):
        mine = [one.seconds for one in client.answers if one.version == version]
        by_client = ", ".join(f"P{100 * at:g} {1000 * np.quantile(mine, at):.0f}" for at in SHOWN)
        by_triton = ", ".join(f"P{100 * at:g} {1000 * quantile(live, version, at):.0f}" for at in SHOWN)
        print(f"version {version}, {len(mine)} requests, ms: {by_client} by the client; {by_triton} by the histogram")
    assert 0.09 / 1.25 < quantile(live, "4", 0.5) < quantile(live, "4", 0.99), "version 4 sleeps for 90 ms"
    assert quantile(live, "1", 0.5) < 0.09


def quantile(live: LiveRollout, version: str, share: float) -> float:
    """Seconds, as PromQL's histogram_quantile has it."""
    metric = "nv_inference_first_response_histogram_ms_bucket"
    series = f'{metric}{{namespace="{live.scenario.namespace}",version="{version}"}}'
    (found,) = query(live.member.site.prometheus, f"histogram_quantile({share}, sum by (le) ({series}))")
    return float(found["value"][1]) / 1000


def test_the_manifest_of_the_page_promotes_a_good_version(rollouts: Rollouts):
    """docs/gateways/any-gateway.md, with the lab's Gateway and seconds in place of minutes."""
    page = (ROOT / "docs/gateways/any-gateway.md").read_text()
    (text,) = re.findall(r"```yaml\n(apiVersion.*?)```", page, re.DOTALL)
    spec = yaml.safe_load(text)["spec"]
    live = rollouts.start(1, 2, rate=50, telemetry=False, operate=TELLS_NOTHING, histogram_growth=1.25, directory=1)
    changes = {name: spec[name] for name in ("serving", "gates")}
    steps = [step | {"hold": "6s"} for step in spec["steps"]]
    client = live.adopt(**changes, steps=steps, analysis={"minimumRequests": 50})
    live.version(2)
    live.wait_weight(2, 5)
    assert {gate["source"] for gate in live.status()["gates"]} == {"Triton"}
    assert live.ended(300)["history"][-1]["result"] == "Promoted", live.report()
    client.stop()
    assert client.failed == []
