"""Outages, silence, a change of mind, a deletion: stable keeps its traffic, and nothing is promoted without proof."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest
from kubernetes.dynamic.exceptions import UnprocessibleEntityError

from tests.e2e.support.live_rollout import gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.expect import present
from tests.lab import Fault, FaultProxy, Prometheus

OUTAGE = 30.0
"""Seconds: many evaluations, none of them with an answer."""


def test_an_outage_of_prometheus_holds_the_weight_and_goes_on_by_itself(rollouts: Rollouts):
    site = rollouts.member.site
    folder = site.folder / f"prometheus-{rollouts.namespace}"
    prometheus = Prometheus(folder, site.mark, gateway=site.gateway_metrics, targets=site.targets)
    prometheus.start()
    rollouts.stack.callback(prometheus.stop)
    live = rollouts.start(1, 2, operate={"prometheus": prometheus.url})
    client = live.adopt(gates=gates("errors", "accuracy"))
    live.version(2)
    live.wait_weight(2, 30)
    prometheus.stop()
    began = time.time()
    live.wait("the reason", lambda s: s.get("reason") == "MetricsUnavailable", 20)
    while time.time() - began < OUTAGE:
        assert live.weight(2) == 30
        assert live.status()["phase"] == "Stepping"
        time.sleep(1)
    prometheus.start()
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    client.stop()
    assert client.failed == []


def test_without_traffic_nothing_is_promoted_or_rolled_back_and_the_reason_says_why(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=0)
    live.adopt(gates=gates("errors", "accuracy", "dead-neurons"))
    live.version(2)
    live.wait_weight(2, 10)
    live.wait("the reason", lambda s: s.get("reason") == "TooFewRequests", 30)
    time.sleep(15)
    status = live.status()
    assert (status["phase"], status["stable"], live.weight(2)) == ("Stepping", "1", 10), live.report()


def test_a_candidate_that_never_gets_ready_is_rejected_with_weight_zero_throughout(rollouts: Rollouts):
    live = rollouts.start(1)
    live.scenario.add_service(2)
    live.adopt(analysis={"readyFor": "2s", "readyDeadline": "12s"})
    live.version(2)
    status = live.ended()
    assert status["history"][-1]["result"] == "Rejected", live.report()
    assert status["rejected"]["reason"] == "ReadyDeadlineExceeded"
    assert live.weights(2) == [0]
    stalled = {c["type"]: c["status"] for c in status["conditions"]}
    assert stalled == {"Ready": "False", "Stalled": "True"}


def test_putting_the_old_version_back_takes_all_traffic_away_from_the_candidate(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=BRISK)
    client = live.adopt()
    live.version(2)
    live.wait_weight(2, 30)
    said = time.time()
    live.version(1)
    live.wait("stable again", lambda s: s.get("phase") == "Serving")
    gone = present(live.record.first("digits-v2", 0, since=said))
    print(f"spec put back -> weight 0: {gone - said:.3f} s (promised: 2 s)")
    assert gone - said < 3 * 2
    assert live.status()["history"][-1]["result"] == "Aborted"
    client.stop()
    assert client.failed == []


def test_deleting_the_resource_in_mid_rollout_leaves_the_route_with_everything_on_stable(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=BRISK)
    client = live.adopt()
    live.version(2)
    live.wait_weight(2, 30)
    live.delete()
    live.wait_gone()
    assert live.weight(1) == 100
    client.wait_for(60)
    client.stop()
    assert client.failed == []
    assert live.weight(1) == 100


def test_a_prometheus_that_answers_nonsense_never_promotes(rollouts: Rollouts):
    proxy = FaultProxy(rollouts.member.site.prometheus).start_in(rollouts.member.background)
    rollouts.stack.callback(proxy.close)
    live = rollouts.start(1, 2, operate={"prometheus": proxy.url})
    limit = {"type": "Query", "query": 'sum(up{namespace="{{namespace}}"})', "min": "1"}
    live.adopt(gates=[*gates("errors"), {"name": "up"} | limit], analysis={"prometheus": "free"})
    value = b'{"metric":{},"value":[1700000000,"%s"]}'
    series = {
        "NaN": value % b"NaN",
        "Inf": value % b"+Inf",
        "several": b'{"metric":{"a":"1"},"value":[1700000000,"5"]},{"metric":{"a":"2"},"value":[1700000000,"6"]}',
        "empty": b"",
    }
    for name, result in series.items():
        body = b'{"status":"success","data":{"resultType":"vector","result":[' + result + b"]}}"
        proxy.clear()
        proxy.add(Fault(status=200, headers={"Content-Type": "application/json"}, body=body), path=r"sum%28up|sum\(up")
        if name == "NaN":
            live.version(2)
            live.wait("a candidate", lambda s: s.get("candidate") == "2")
        time.sleep(8)
        status = live.status()
        assert (status["stable"], status["candidate"]) == ("1", "2"), live.report()
        assert status["weight"]["desired"] <= 10, live.report()
        assert live.gate("up")["verdict"] == "NO_DATA", f"{name}: {live.gate('up')}"
    proxy.clear()
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()


def test_a_gateway_in_the_same_namespace_works_like_one_in_another(rollouts: Rollouts):
    live = rollouts.start(1, 2, own_gateway=True)
    assert live.scenario.door.namespace == rollouts.namespace
    client = live.adopt()
    live.version(2)
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    client.stop()
    assert client.failed == []


QUERY = {"name": "own", "type": "Query", "query": "vector(1)", "max": "2"}
FALLING = {"steps": [{"weight": 50, "hold": "5s"}, {"weight": 5, "hold": "5s"}]}
"""What the definition's rules refuse where the API server evaluates rules."""
INVALID: dict[str, dict[str, Any]] = {
    "spec.steps[0].hold is": {"steps": [{"weight": 50, "hold": "99999h"}]},
    'spec.analysis.prometheus is "evil": this operator knows default': {"analysis": {"prometheus": "evil"}},
    "allowQueries": {"analysis": {"prometheus": "default"}, "gates": [*gates("errors"), QUERY]},
}
"""What every API server lets through, by what the operator says of it."""


@pytest.mark.oldest
def test_an_invalid_spec_moves_no_traffic_and_says_what_to_fix(rollouts: Rollouts):
    live = rollouts.start(1, 2)
    client = live.adopt()
    said = dict(INVALID)
    if rollouts.member.site.version.has_rules:
        with pytest.raises(UnprocessibleEntityError, match="weights must rise strictly"):
            live.apply(1, **FALLING)
        assert live.status()["reason"] != "InvalidSpec"
    else:
        said["spec.steps[1].weight is 5"] = FALLING
    for words, invalid in said.items():
        live.apply(1, **invalid)
        status = live.wait(words, partial(_says, words), 15)
        assert status["reason"] == "InvalidSpec"
        found = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
        assert found == {"Ready": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")}
    live.version(2)
    time.sleep(4)
    assert live.weight(1) == 100
    client.stop()
    assert client.failed == []


def _says(words: str, status: dict[str, Any]) -> bool:
    return words in status.get("message", "")
