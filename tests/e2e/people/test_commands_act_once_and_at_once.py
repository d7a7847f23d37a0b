"""A person's command names what it is about, acts within seconds whatever hangs, and acts once whatever crashes."""

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
from tests.e2e.support.stage import Stage
from tests.e2e.support.story import Story
from tests.expect import present
from tests.lab import Fault, FaultProxy

ROUTE, STATUS, OBJECT = "/httproutes/", "/modelrollouts/digits/status", r"/modelrollouts/digits\?"
APPROVED_STEPS = [
    {"weight": 10, "hold": "1s", "approval": True},
    {"weight": 30, "hold": "1s", "approval": True},
    {"weight": 50, "hold": "1s"},
]
QUICK = {"readyFor": "1s", "minimumRequests": 1, "warmup": "0s"}


def test_every_verb_can_be_typed_and_status_reads_the_weight_from_the_route(stage: Stage):
    story = stage.story(1, 2, operate={"arguments": PATIENT})
    story.adopt(steps=APPROVED_STEPS, analysis=QUICK, bake="60s")
    refused = kubectl(story, "abort", "digits")
    assert refused.returncode == 1
    assert "refused" in refused.stdout
    missing = kubectl(story, "abort", "nothing")
    assert "there is no ModelRollout" in missing.stderr
    assert "kubectl get modelrollouts" in missing.stderr
    story.version(2)
    story.wait_phase("AwaitingApproval")
    for verb, phase in (
        ("pause", "AwaitingApproval"),
        ("resume", "AwaitingApproval"),
        ("approve", "Stepping"),
        ("abort", "RolledBack"),
        ("retry", "Waiting"),
        ("promote", "Baking"),
    ):
        if verb == "promote":
            story.wait_phase("AwaitingApproval")
        done = kubectl(story, verb, "digits", "--why", "because of ticket 7")
        assert (done.returncode, done.stdout.strip()) == (0, f"{verb} digits: applied"), done
        found = story.status()
        assert found["lastCommand"] | {"verb": verb, "why": "because of ticket 7"} == found["lastCommand"]
        if phase not in ("Stepping", "Waiting"):  # which may be over by now
            assert found["phase"] == phase
        if verb == "resume":
            story.wait("the question again", lambda s: s["reason"] == "ApprovalNeeded")
    story.wait("all traffic", lambda _: story.weight(2) == 100)
    assert reasons(story).count("CommandApplied") == 6
    story.operator.stop()
    set_weight(story, 40)
    shown = kubectl(story, "status", "digits").stdout
    assert "100 % desired, 40 % on the route" in shown, shown


def test_a_command_about_another_version_or_step_is_refused_with_an_event(stage: Stage):
    story = stage.story(1, 2, operate={"arguments": PATIENT})
    story.adopt(steps=APPROVED_STEPS, analysis=QUICK)
    story.version(2)
    story.wait_phase("AwaitingApproval")
    assert "it is about version 3" in answer(story, ask(story, "abort", 3))
    assert "it is about step 1" in answer(story, ask(story, "approve", 2, 1))
    assert "must name the version" in answer(story, ask(story, "promote"))
    assert answer(story, ask(story, "approve", 2, 0)) == "applied"
    story.wait("the second step", lambda s: s["phase"] == "AwaitingApproval" and s["step"]["index"] == 1)
    leftover = ask(story, "approve", 2, 0)
    assert "it is about step 0, but the rollout is at step 1" in answer(story, leftover)
    time.sleep(3)
    assert story.status()["phase"] == "AwaitingApproval"
    assert story.weights(2) == [0, 10, 30]
    story.change({"metadata": {"annotations": {"modelrollout.dev/command": "approve, please"}}})
    story.wait("the malformed one's refusal", lambda s: s["lastCommand"]["verb"] == "unreadable")
    story.wait("the last Event", lambda _: reasons(story).count("CommandRefused") >= 5, 10)  # told after the record
    assert reasons(story).count("CommandRefused") == 5
    assert story.weights(2) == [0, 10, 30]


@pytest.mark.oldest
def test_an_abort_takes_all_traffic_back_within_2_s_in_every_phase(stage: Stage):
    story = stage.story(1, 2, operate={"arguments": PATIENT})
    client = story.adopt(steps=APPROVED_STEPS, analysis=QUICK | {"readyFor": "5s"}, bake="60s")

    def abort_in(phase: str) -> None:
        story.wait_phase(phase)
        carried = story.weight(2) > 0
        asked = ask(story, "abort", 2)
        if carried:
            took(story, f"abort while {phase}", 2, 0, asked.at)
        assert answer(story, asked, 3 * PROMISE) == "applied"
        assert story.status()["phase"] == "RolledBack"
        assert story.weight(2) == 0

    def again() -> None:
        assert answer(story, ask(story, "retry", 2), RECOVERY) == "applied"

    story.version(2)
    abort_in("Waiting")
    again()
    abort_in("AwaitingApproval")
    again()
    story.wait_phase("AwaitingApproval")
    assert answer(story, ask(story, "promote", 2, 0)) == "applied"
    abort_in("Baking")
    story.change({"spec": {"steps": [{"weight": 10, "hold": "20s"}, {"weight": 50, "hold": "20s"}]}})
    again()
    abort_in("Stepping")
    story.change({"spec": {"analysis": {"deadline": "7s"}}})
    again()
    abort_in("Inconclusive")
    assert [entry["result"] for entry in story.status()["history"][1:]] == ["Aborted"] * 5
    client.stop()
    assert client.failed == []


def test_commands_act_within_2_s_while_prometheus_and_triton_hang_and_the_spec_is_invalid(stage: Stage):
    proxy = FaultProxy(stage.member.site.prometheus).start_in(stage.member.background)
    stage.stack.callback(proxy.close)
    waits = {"prometheus": proxy.url, "probeTimeout": "60s", "arguments": PATIENT}
    story = stage.story(1, 2, operate=waits)
    story.adopt(bake="60s")
    story.version(2)
    story.wait_weight(2, 30)
    proxy.add(Fault(delay=60))
    for service in story.scenario.services.values():
        present(service.servers[0].process).signal(signal.SIGSTOP)
    try:
        time.sleep(3)
        story.change({"spec": {"steps": [{"weight": 50, "hold": "99999h"}]}})
        story.wait("the reason", lambda s: s.get("reason") == "InvalidSpec", 3 * PROMISE)
        assert story.weight(2) == 30
        for verb in ("pause", "resume"):
            asked = ask(story, verb)
            assert answer(story, asked, 3 * PROMISE) == "applied"
            print(f"{verb} with everything hanging: {time.time() - asked.at:.3f} s (promised: {PROMISE:g} s)")
        assert "fix it" in answer(story, ask(story, "promote", 2, 1), 3 * PROMISE)
        asked = ask(story, "abort", 2)
        took(story, "abort with everything hanging and an invalid spec", 2, 0, asked.at)
        assert answer(story, asked, 3 * PROMISE) == "applied"
        assert story.weight(1) == 100
    finally:
        for service in story.scenario.services.values():
            present(service.servers[0].process).signal(signal.SIGCONT)


@pytest.fixture
def killed(stage: Stage) -> Iterator[tuple[Story, Killer]]:
    proxy = stage.member.api_faults()
    story = stage.story(1, 2, operate={"api": proxy.url, "arguments": ("--lease-duration=5",)})
    client = story.adopt(steps=APPROVED_STEPS, analysis=QUICK, bake="300s")
    stage.stack.callback(client.stop)
    story.version(2)
    with kept_running(story):
        yield story, Killer(story, proxy)


@pytest.mark.parametrize("committed", [False, True], ids=["before the write", "after the write"])
def test_a_command_is_applied_once_though_the_operator_is_killed_at_every_write(
    killed: tuple[Story, Killer], committed: bool
):
    story, killer = killed

    def applied_once(asked: Asked) -> None:
        """When the annotation is gone, nobody will obey it again; what was obeyed twice would be refused by then."""
        assert answer(story, asked, RECOVERY) == "applied"
        story.wait("its removal", lambda _: not (story.resource() or {})["metadata"].get("annotations"), 90)
        last = story.status()["lastCommand"]
        assert (last["nonce"], last["result"]) == (asked.nonce, "applied"), story.told()

    writes = {"the route": ("PATCH", ROUTE), "the status": ("PUT", STATUS), "its removal": ("PATCH", OBJECT)}
    for number, (what, write) in enumerate(writes.items(), start=1):
        story.wait_phase("AwaitingApproval")
        with killer.at(*write, committed=committed):
            asked = ask(story, "promote", 2, 0)
        applied_once(asked)
        story.wait("all traffic", lambda s: s["phase"] == "Baking" and story.weight(2) == 100)
        with killer.at(*write, committed=committed):
            asked = ask(story, "abort", 2)
        applied_once(asked)
        story.wait("no traffic", lambda s: s["phase"] == "RolledBack" and story.weight(2) <= 0)
        entries = [entry["result"] for entry in story.status()["history"][1:]]
        assert entries == ["Aborted"] * number, f"killed at {what}: {entries}"
        assert answer(story, ask(story, "retry", 2)) == "applied"
    assert [w for w in story.weights(2) if w not in (0, 10)] == [100] * len(writes), story.weights(2)
