"""Outages, silence, a change of mind, a deletion: stable keeps its traffic, and nothing is promoted without proof."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest
from kubernetes.dynamic.exceptions import UnprocessibleEntityError

from tests.e2e.support.stage import BRISK, Stage
from tests.e2e.support.story import gates
from tests.expect import present
from tests.lab import Fault, FaultProxy, Prometheus

OUTAGE = 60.0


def test_a_minute_without_prometheus_holds_the_weight_and_goes_on_by_itself(stage: Stage):
    site = stage.member.site
    folder = site.folder / f"prometheus-{stage.namespace}"
    prometheus = Prometheus(folder, site.mark, gateway=site.gateway_metrics, targets=site.targets)
    prometheus.start()
    stage.stack.callback(prometheus.stop)
    story = stage.story(1, 2, operate={"prometheus": prometheus.url})
    client = story.adopt(gates=gates("errors", "accuracy"))
    story.version(2)
    story.wait_weight(2, 30)
    prometheus.stop()
    began = time.time()
    story.wait("the reason", lambda s: s.get("reason") == "MetricsUnavailable", 20)
    while time.time() - began < OUTAGE:
        assert story.weight(2) == 30
        assert story.status()["phase"] == "Stepping"
        time.sleep(1)
    prometheus.start()
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()
    client.stop()
    assert client.failed == []


def test_without_traffic_nothing_is_promoted_or_rolled_back_and_the_reason_counts_what_is_missing(stage: Stage):
    story = stage.story(1, 2, rate=0)
    story.adopt(gates=gates("errors", "accuracy", "dead-neurons"))
    story.version(2)
    story.wait_weight(2, 10)
    status = story.wait("the reason", lambda s: s.get("reason") == "TooFewRequests", 30)
    assert "20 more needed" in status["message"]
    time.sleep(15)
    status = story.status()
    assert (status["phase"], status["stable"], story.weight(2)) == ("Stepping", "1", 10), story.told()


def test_a_candidate_that_never_gets_ready_is_rejected_with_weight_zero_throughout(stage: Stage):
    story = stage.story(1)
    story.scenario.add_service(2)
    story.adopt(analysis={"readyFor": "2s", "readyDeadline": "12s"})
    story.version(2)
    status = story.ended()
    assert status["history"][-1]["result"] == "Rejected", story.told()
    assert status["rejected"]["reason"] == "ReadyDeadlineExceeded"
    assert story.weights(2) == [0]
    stalled = {c["type"]: c["status"] for c in status["conditions"]}
    assert stalled == {"Ready": "False", "Stalled": "True"}


def test_putting_the_old_version_back_takes_all_traffic_away_from_the_candidate(stage: Stage):
    story = stage.story(1, 2, rate=BRISK)
    client = story.adopt()
    story.version(2)
    story.wait_weight(2, 30)
    said = time.time()
    story.version(1)
    story.wait("stable again", lambda s: s.get("phase") == "Serving")
    gone = present(story.record.first("digits-v2", 0, since=said))
    print(f"spec put back -> weight 0: {gone - said:.3f} s (promised: 2 s)")
    assert gone - said < 3 * 2
    assert story.status()["history"][-1]["result"] == "Aborted"
    client.stop()
    assert client.failed == []


def test_deleting_the_resource_in_mid_rollout_leaves_the_route_with_everything_on_stable(stage: Stage):
    story = stage.story(1, 2, rate=BRISK)
    client = story.adopt()
    story.version(2)
    story.wait_weight(2, 30)
    story.delete()
    story.wait_gone()
    assert story.weight(1) == 100
    client.wait_for(60)
    client.stop()
    assert client.failed == []
    assert story.weight(1) == 100


def test_a_prometheus_that_answers_nonsense_never_promotes(stage: Stage):
    proxy = FaultProxy(stage.member.site.prometheus).start_in(stage.member.background)
    stage.stack.callback(proxy.close)
    story = stage.story(1, 2, operate={"prometheus": proxy.url})
    limit = {"type": "Query", "query": 'sum(up{namespace="{{namespace}}"})', "min": "1"}
    story.adopt(gates=[*gates("errors"), {"name": "up"} | limit], analysis={"prometheus": "free"})
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
            story.version(2)
            story.wait("a candidate", lambda s: s.get("candidate") == "2")
        time.sleep(8)
        status = story.status()
        assert (status["stable"], status["candidate"]) == ("1", "2"), story.told()
        assert status["weight"]["desired"] <= 10, story.told()
        assert story.gate("up")["verdict"] == "NO_DATA", f"{name}: {story.gate('up')}"
    proxy.clear()
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()


def test_a_gateway_in_the_same_namespace_works_like_one_in_another(stage: Stage):
    story = stage.story(1, 2, own_gateway=True)
    assert story.scenario.gateway[0] == stage.namespace
    client = story.adopt()
    story.version(2)
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()
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
def test_an_invalid_spec_moves_no_traffic_and_says_what_to_mend(stage: Stage):
    story = stage.story(1, 2)
    client = story.adopt()
    said = dict(INVALID)
    if stage.member.site.version.has_rules:
        with pytest.raises(UnprocessibleEntityError, match="weights must rise strictly"):
            story.apply(1, **FALLING)
        assert story.status()["reason"] != "InvalidSpec"
    else:
        said["spec.steps[1].weight is 5"] = FALLING
    for words, invalid in said.items():
        story.apply(1, **invalid)
        status = story.wait(words, partial(_says, words), 15)
        assert status["reason"] == "InvalidSpec"
        found = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
        assert found == {"Ready": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")}
    story.version(2)
    time.sleep(4)
    assert story.weight(1) == 100
    client.stop()
    assert client.failed == []


def _says(words: str, status: dict[str, Any]) -> bool:
    return words in status.get("message", "")
