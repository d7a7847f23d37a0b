"""A command names what it is about, acts within seconds whatever hangs, and acts once whatever crashes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.support.hands import (
    PATIENT,
    PROMISE,
    RECOVERY,
    Asked,
    Killer,
    answer,
    ask,
    kubectl,
    reasons,
    set_weight,
    took,
)
from tests.e2e.support.leaders import kept_running
from tests.e2e.support.live_rollout import LiveRollout
from tests.e2e.support.rollouts import Rollouts
from tests.expect import present
from tests.lab import Fault, FaultProxy

ROUTE, STATUS, OBJECT = "/httproutes/", "/modelrollouts/digits/status", r"/modelrollouts/digits\?"
APPROVED_STEPS = [
    {"weight": 10, "hold": "1s", "approval": True},
    {"weight": 30, "hold": "1s", "approval": True},
    {"weight": 50, "hold": "1s"},
]
QUICK = {"readyFor": "1s", "minimumRequests": 1, "warmup": "0s"}


def test_every_verb_can_be_typed_and_status_reads_the_weight_from_the_route(rollouts: Rollouts):
    live = rollouts.start(1, 2, operate={"arguments": PATIENT})
    live.adopt(steps=APPROVED_STEPS, analysis=QUICK, bake="60s")
    refused = kubectl(live, "abort", "digits")
    assert refused.returncode == 1
    assert "refused" in refused.stdout
    missing = kubectl(live, "abort", "nothing")
    assert "there is no ModelRollout" in missing.stderr
    assert "kubectl get modelrollouts" in missing.stderr
    live.version(2)
    live.wait_phase("AwaitingApproval")
    for verb, phase in (
        ("pause", "AwaitingApproval"),
        ("resume", "AwaitingApproval"),
        ("approve", "Stepping"),
        ("abort", "RolledBack"),
        ("retry", "Waiting"),
        ("promote", "Baking"),
    ):
        if verb == "promote":
            live.wait_phase("AwaitingApproval")
        done = kubectl(live, verb, "digits", "--why", "because of ticket 7")
        assert (done.returncode, done.stdout.strip()) == (0, f"{verb} digits: applied"), done
        found = live.status()
        assert found["lastCommand"] | {"verb": verb, "why": "because of ticket 7"} == found["lastCommand"]
        if phase not in ("Stepping", "Waiting"):  # which may be over by now
            assert found["phase"] == phase
        if verb == "resume":
            live.wait("the question again", lambda s: s["reason"] == "ApprovalNeeded")
    live.wait("all traffic", lambda _: live.weight(2) == 100)
    assert reasons(live).count("CommandApplied") == 6
    live.operator.stop()
    set_weight(live, 40)
    shown = kubectl(live, "status", "digits").stdout
    assert "100 % desired, 40 % on the route" in shown, shown


def test_a_command_about_another_version_or_step_is_refused_with_an_event(rollouts: Rollouts):
    live = rollouts.start(1, 2, operate={"arguments": PATIENT})
    live.adopt(steps=APPROVED_STEPS, analysis=QUICK)
    live.version(2)
    live.wait_phase("AwaitingApproval")
    assert "version 3" in answer(live, ask(live, "abort", 3))
    assert "step 2" in answer(live, ask(live, "approve", 2, 1))
    assert "must name a version" in answer(live, ask(live, "promote"))
    assert answer(live, ask(live, "approve", 2, 0)) == "applied"
    live.wait("the second step", lambda s: s["phase"] == "AwaitingApproval" and s["step"]["index"] == 1)
    leftover = ask(live, "approve", 2, 0)
    assert "step 1, but the rollout is at step 2" in answer(live, leftover)
    time.sleep(3)
    assert live.status()["phase"] == "AwaitingApproval"
    assert live.weights(2) == [0, 10, 30]
    live.change({"metadata": {"annotations": {"modelrollout.dev/command": "approve, please"}}})
    live.wait("the malformed one's refusal", lambda s: s["lastCommand"]["verb"] == "unreadable")
    live.wait("the last Event", lambda _: reasons(live).count("CommandRefused") >= 5, 10)  # sent after the record
    assert reasons(live).count("CommandRefused") == 5
    assert live.weights(2) == [0, 10, 30]


@pytest.mark.oldest
def test_an_abort_takes_all_traffic_back_within_2_s_in_every_phase(rollouts: Rollouts):
    live = rollouts.start(1, 2, operate={"arguments": PATIENT})
    client = live.adopt(steps=APPROVED_STEPS, analysis=QUICK | {"readyFor": "5s"}, bake="60s")

    def abort_in(phase: str) -> None:
        live.wait_phase(phase)
        carried = live.weight(2) > 0
        asked = ask(live, "abort", 2)
        if carried:
            took(live, f"abort while {phase}", 2, 0, asked.at)
        assert answer(live, asked, 3 * PROMISE) == "applied"
        assert live.status()["phase"] == "RolledBack"
        assert live.weight(2) == 0

    def again() -> None:
        assert answer(live, ask(live, "retry", 2), RECOVERY) == "applied"

    live.version(2)
    abort_in("Waiting")
    again()
    abort_in("AwaitingApproval")
    again()
    live.wait_phase("AwaitingApproval")
    assert answer(live, ask(live, "promote", 2, 0)) == "applied"
    abort_in("Baking")
    live.change({"spec": {"steps": [{"weight": 10, "hold": "20s"}, {"weight": 50, "hold": "20s"}]}})
    again()
    abort_in("Stepping")
    live.change({"spec": {"analysis": {"deadline": "7s"}}})
    again()
    abort_in("Inconclusive")
    assert [entry["result"] for entry in live.status()["history"][1:]] == ["Aborted"] * 5
    client.stop()
    assert client.failed == []


def test_commands_act_within_2_s_while_prometheus_and_triton_hang_and_the_spec_is_invalid(rollouts: Rollouts):
    proxy = FaultProxy(rollouts.member.site.prometheus).start_in(rollouts.member.background)
    rollouts.stack.callback(proxy.close)
    waits = {"prometheus": proxy.url, "probeTimeout": "60s", "arguments": PATIENT}
    live = rollouts.start(1, 2, operate=waits)
    live.adopt(bake="60s")
    live.version(2)
    live.wait_weight(2, 30)
    proxy.add(Fault(delay=60))
    for service in live.scenario.services.values():
        present(service.servers[0].process).signal(signal.SIGSTOP)
    try:
        time.sleep(3)
        live.change({"spec": {"steps": [{"weight": 50, "hold": "99999h"}]}})
        live.wait("the reason", lambda s: s.get("reason") == "InvalidSpec", 3 * PROMISE)
        assert live.weight(2) == 30
        for verb in ("pause", "resume"):
            asked = ask(live, verb)
            assert answer(live, asked, 3 * PROMISE) == "applied"
            print(f"{verb} with everything hanging: {time.time() - asked.at:.3f} s (promised: {PROMISE:g} s)")
        assert "fix it" in answer(live, ask(live, "promote", 2, 1), 3 * PROMISE)
        asked = ask(live, "abort", 2)
        took(live, "abort with everything hanging and an invalid spec", 2, 0, asked.at)
        assert answer(live, asked, 3 * PROMISE) == "applied"
        assert live.weight(1) == 100
    finally:
        for service in live.scenario.services.values():
            present(service.servers[0].process).signal(signal.SIGCONT)


@pytest.fixture
def killed(rollouts: Rollouts) -> Iterator[tuple[LiveRollout, Killer]]:
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, operate={"api": proxy.url, "arguments": ("--lease-duration=5",)})
    client = live.adopt(steps=APPROVED_STEPS, analysis=QUICK, bake="300s")
    rollouts.stack.callback(client.stop)
    live.version(2)
    with kept_running(live):
        yield live, Killer(live, proxy)


@pytest.mark.parametrize(
    "committed",
    [pytest.param(False, marks=pytest.mark.long), True],
    ids=["before the write", "after the write"],
)
def test_a_command_is_applied_once_though_the_operator_is_killed_at_every_write(
    killed: tuple[LiveRollout, Killer], committed: bool
):
    live, killer = killed

    def applied_once(asked: Asked) -> None:
        """When the annotation is gone, it will not be obeyed again; what was obeyed twice would be refused by then."""
        assert answer(live, asked, RECOVERY) == "applied"
        live.wait("its removal", lambda _: not (live.resource() or {})["metadata"].get("annotations"), 90)
        last = live.status()["lastCommand"]
        assert (last["nonce"], last["result"]) == (asked.nonce, "applied"), live.report()

    writes = {"the route": ("PATCH", ROUTE), "the status": ("PUT", STATUS), "its removal": ("PATCH", OBJECT)}
    for number, (what, write) in enumerate(writes.items(), start=1):
        live.wait_phase("AwaitingApproval")
        with killer.at(*write, committed=committed):
            asked = ask(live, "promote", 2, 0)
        applied_once(asked)
        live.wait("all traffic", lambda s: s["phase"] == "Baking" and live.weight(2) == 100)
        with killer.at(*write, committed=committed):
            asked = ask(live, "abort", 2)
        applied_once(asked)
        live.wait("no traffic", lambda s: s["phase"] == "RolledBack" and live.weight(2) <= 0)
        entries = [entry["result"] for entry in live.status()["history"][1:]]
        assert entries == ["Aborted"] * number, f"killed at {what}: {entries}"
        assert answer(live, ask(live, "retry", 2)) == "applied"
    assert [w for w in live.weights(2) if w not in (0, 10)] == [100] * len(writes), live.weights(2)
