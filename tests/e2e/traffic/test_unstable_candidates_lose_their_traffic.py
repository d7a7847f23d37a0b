"""A candidate carries traffic only while every address of it answers: crash loops, slow starts, half a fleet."""

from __future__ import annotations

import time

from tests.e2e.support.hands import PATIENT, reasons, took
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.expect import present

LONG = [{"weight": 10, "hold": "90s"}, {"weight": 50, "hold": "90s"}]
READY_FOR = 3.0
CALM = {"arguments": PATIENT, "probeInterval": "500ms"}


def raised_at(live: LiveRollout, service: str, since: float) -> float:
    """When (time.time()) the service first had weight again."""

    def found() -> list[float]:
        return [seen.at for seen in list(live.record.seen) if seen.at > since and seen.weights.get(service, 0) > 0]

    live.wait(f"weight of {service}", lambda _: bool(found()), 40)
    return found()[0]


def rolled_back(live: LiveRollout, version: int) -> tuple[float, str]:
    """(seconds with weight, why) of `version`, which is asked for now and does not last."""
    service = live.scenario.service_name(version)
    live.version(version)
    began = raised_at(live, service, 0)
    why = str(live.ended()["history"][-1]["message"])
    lasted = present(live.record.first(service, 0, since=began)) - began
    print(f"version {version}, warming up: rolled back after {lasted:.1f} s")
    return lasted, why


def test_a_crash_looping_candidate_is_lowered_each_time_and_let_go_the_third_time(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=15, operate=CALM)
    # Errors of the crash itself are a breach, and may be one before the third: here readiness alone must decide.
    live.adopt(steps=LONG, analysis={"readyFor": f"{READY_FOR:g}s"}, gates=gates("non-finite"))
    candidate = live.scenario.services[2]
    live.version(2)
    raised = raised_at(live, candidate.name, 0)
    for _ in range(2):
        time.sleep(1)
        killed = time.time()
        candidate.kill()
        took(live, "the candidate killed", 2, 0, killed)
        candidate.restart()
        back = time.time()
        raised = raised_at(live, candidate.name, killed + 1)
        print(f"ready again -> weight again: {raised - back:.1f} s (readyFor {READY_FOR:g} s)")
        assert raised - back >= READY_FOR - 0.6  # one probe interval: it may have been seen ready while it started
    candidate.kill()
    status = live.wait_phase("RolledBack", deadline=20)
    assert status["reason"] == "CandidateUnstable"
    assert status["rejected"]["reason"] == "CandidateUnstable"
    candidate.restart()
    time.sleep(2 * READY_FOR)
    assert live.weight(2) == 0
    assert live.weights(2) == [0, 10, 0, 10, 0, 10, 0]
    assert reasons(live).count("CandidateLost") == 2


def test_a_candidate_with_half_of_its_addresses_ready_gets_nothing(rollouts: Rollouts):
    live = rollouts.start(1, rate=15, operate=CALM)
    candidate = live.scenario.add_service(2)
    candidate.serve(2)
    candidate.set_ready(False, 1)
    client = live.adopt(steps=LONG)
    live.version(2)
    status = live.wait("the reason", lambda s: "1 of 2 addresses" in s.get("message", ""))
    assert status["reason"] == "CandidateNotReady"
    time.sleep(5)
    assert live.weights(2) in ([], [0])
    candidate.set_ready(True)
    live.wait_weight(2, 10)
    assert client.failed == []
    lost = time.time()
    candidate.set_ready(False, 1)
    took(live, "half of the addresses lost", 2, 0, lost)
    live.wait_phase("Waiting")  # recorded after the traffic is away


def test_slow_first_requests_are_forgiven_while_warming_up_and_not_afterwards(rollouts: Rollouts):
    live = rollouts.start(1, 4, rate=BRISK, operate=CALM)
    live.adopt(steps=LONG, gates=gates("latency"), analysis={"warmup": "25s"})
    lasted, why = rolled_back(live, 4)
    assert why.startswith("latency:"), live.report()
    assert lasted >= 25


def test_nan_is_not_forgiven_while_warming_up(rollouts: Rollouts):
    live = rollouts.start(1, 5, rate=BRISK, operate=CALM)
    live.adopt(steps=LONG, gates=gates("latency", "non-finite"), analysis={"warmup": "80s"})
    lasted, why = rolled_back(live, 5)
    assert why.startswith("non-finite:"), live.report()
    assert lasted < 80
