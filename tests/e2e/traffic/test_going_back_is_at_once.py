"""The way back has no steps: to the version before, out of a bad bake; and a new attempt is a new rollout."""

from __future__ import annotations

import time

from tests.e2e.support.hands import PATIENT, mislabelled, reasons, took
from tests.e2e.support.stage import BRISK, Stage

QUICK = {"readyFor": "1s", "minimumRequests": 5, "warmup": "0s"}
STEPS = [{"weight": 50, "hold": "2s"}]
CALM = {"arguments": PATIENT}


def test_the_version_before_comes_back_with_one_write_and_no_steps(stage: Stage):
    story = stage.story(1, 2, operate=CALM)
    client = story.adopt(steps=STEPS, analysis=QUICK, bake="2s")
    story.version(2)
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()
    story.wait("rest", lambda _: story.weight(2) == 100)
    before, said = len(story.weights(1)), time.time()
    story.version(1)
    took(story, "previous version asked for", 1, 100, said)
    status = story.wait_phase("Serving")
    assert story.weights(1)[before:] == [100]
    assert (status["stable"], status["history"][-1]["result"]) == ("1", "FastRollback")
    client.wait_for(30)
    client.stop()
    assert client.failed == []


def test_the_version_before_is_stepped_like_any_other_once_the_rollback_window_is_over(stage: Stage):
    story = stage.story(1, 2, rate=15, operate=CALM)
    story.adopt(steps=STEPS, analysis=QUICK, bake="2s", rollbackWindow="3s")
    story.version(2)
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()
    time.sleep(3)
    before = len(story.weights(1))
    story.version(1)
    story.wait_weight(1, 50)
    assert story.weights(1)[before:] == [50]


def test_a_bake_whose_limit_breaks_gives_everything_back_to_stable_in_one_write(stage: Stage):
    story = stage.story(1, 2, rate=BRISK, operate=CALM)
    limit = {"name": "accuracy", "type": "Accuracy", "min": "70%"}
    client = story.adopt(steps=STEPS, analysis=QUICK, bake="90s", gates=[limit])
    story.version(2)
    story.wait_phase("Baking")
    story.wait("all traffic", lambda _: story.weights(1)[-1:] == [0])
    before = len(story.weights(1))
    wrong = stage.stack.enter_context(mislabelled(story))
    status = story.wait_phase("RolledBack", deadline=80)
    wrong.stop()
    assert story.weights(1)[before:] == [100]
    assert (status["stable"], status["reason"]) == ("1", "GateFailed"), story.told()
    assert status["history"][-1]["message"].startswith("accuracy:")
    client.stop()
    assert client.failed == []


def test_raising_attempt_tries_a_rejected_version_again_and_nothing_else_does(stage: Stage):
    story = stage.story(1, rate=15, operate=CALM)
    candidate = story.scenario.add_service(2)
    story.adopt(steps=STEPS, analysis=QUICK | {"readyDeadline": "4s"}, bake="2s")
    story.version(2)
    story.wait_phase("Rejected")
    candidate.serve(1)
    story.change({"spec": {"paused": True}})
    story.change({"spec": {"paused": False}})
    time.sleep(5)
    assert story.status()["phase"] == "Rejected"
    story.change({"spec": {"attempt": 2}})
    story.wait("promotion", lambda s: s["history"][-1]["result"] == "Promoted")
    assert reasons(story).count("RolloutStarted") == 2
