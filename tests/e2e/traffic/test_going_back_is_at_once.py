"""The way back has no steps: to the version before, out of a bad bake; and a new attempt is a new rollout."""

from __future__ import annotations

import time

from tests.e2e.support.hands import PATIENT, mislabelled, reasons, took
from tests.e2e.support.rollouts import BRISK, Rollouts

QUICK = {"readyFor": "1s", "minimumRequests": 5, "warmup": "0s"}
STEPS = [{"weight": 50, "hold": "2s"}]
CALM = {"arguments": PATIENT}


def test_the_version_before_comes_back_with_one_write_and_no_steps(rollouts: Rollouts):
    live = rollouts.start(1, 2, operate=CALM)
    client = live.adopt(steps=STEPS, analysis=QUICK, bake="2s")
    live.version(2)
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    live.wait("rest", lambda _: live.weight(2) == 100)
    before, said = len(live.weights(1)), time.time()
    live.version(1)
    took(live, "previous version asked for", 1, 100, said)
    status = live.wait_phase("Serving")
    assert live.weights(1)[before:] == [100]
    assert (status["stable"], status["history"][-1]["result"]) == ("1", "FastRollback")
    client.wait_for(30)
    client.stop()
    assert client.failed == []


def test_the_version_before_is_stepped_like_any_other_once_the_rollback_window_is_over(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=15, operate=CALM)
    live.adopt(steps=STEPS, analysis=QUICK, bake="2s", rollbackWindow="3s")
    live.version(2)
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    time.sleep(3)
    before = len(live.weights(1))
    live.version(1)
    live.wait_weight(1, 50)
    assert live.weights(1)[before:] == [50]


def test_a_bake_whose_limit_breaks_gives_everything_back_to_stable_in_one_write(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=BRISK, operate=CALM)
    limit = {"name": "accuracy", "type": "Accuracy", "min": "70%"}
    client = live.adopt(steps=STEPS, analysis=QUICK, bake="90s", gates=[limit])
    live.version(2)
    live.wait_phase("Baking")
    live.wait("all traffic", lambda _: live.weights(1)[-1:] == [0])
    before = len(live.weights(1))
    wrong = rollouts.stack.enter_context(mislabelled(live))
    status = live.wait_phase("RolledBack", deadline=80)
    wrong.stop()
    assert live.weights(1)[before:] == [100]
    assert (status["stable"], status["reason"]) == ("1", "GateFailed"), live.report()
    assert status["history"][-1]["message"].startswith("accuracy:")
    client.stop()
    assert client.failed == []


def test_raising_attempt_tries_a_rejected_version_again_and_nothing_else_does(rollouts: Rollouts):
    live = rollouts.start(1, rate=15, operate=CALM)
    candidate = live.scenario.add_service(2)
    live.adopt(steps=STEPS, analysis=QUICK | {"readyDeadline": "4s"}, bake="2s")
    live.version(2)
    live.wait_phase("Rejected")
    candidate.serve(1)
    live.change({"spec": {"paused": True}})
    live.change({"spec": {"paused": False}})
    time.sleep(5)
    assert live.status()["phase"] == "Rejected"
    live.change({"spec": {"attempt": 2}})
    live.wait("promotion", lambda s: s["history"][-1]["result"] == "Promoted")
    assert reasons(live).count("RolloutStarted") == 2
