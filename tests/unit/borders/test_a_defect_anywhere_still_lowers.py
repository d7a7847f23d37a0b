"""Each builder of a decision, a status or an Event fails in turn: traffic is lowered all the same, and it is said."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.core import reasons
from modelrollout.core.evaluation import GateResult
from modelrollout.core.rollout import bookkeeping, commands, conditions, decide, phases, routing, status_message
from modelrollout.core.rollout.fallback import decision as fallback
from modelrollout.core.rollout.transitions import effects, setbacks
from modelrollout.ports import Unreachable
from modelrollout.runtime import reconcile
from modelrollout.runtime.claiming.order import Order
from modelrollout.runtime.claiming.population import Population
from modelrollout.runtime.observing import seen
from modelrollout.runtime.recording import record
from modelrollout.runtime.waking.contests import Contests
from tests.unit.borders.cluster import ROLLOUT, ROUTE, at_25_percent
from tests.unit.borders.test_whatever_comes_in_traffic_is_lowered import ENDS, TRIGGERS

BUILDERS: dict[str, tuple[Any, str]] = {
    "the context's doubt": (decide, "contradiction"),
    "the checks": (decide, "decide_move"),
    "the route's plan": (decide, "route_for"),
    "the plan": (routing, "plan_of"),
    "the bookkeeping": (decide, "account"),
    "the events of refusals": (decide, "refusal_events"),
    "the conditions": (conditions, "merge"),
    "one condition": (conditions, "Condition"),
    "the gates shown": (bookkeeping, "_show_evidence"),
    "one gate shown": (bookkeeping, "_shown"),
    "the clocks": (bookkeeping, "_clocks"),
    "the weight": (bookkeeping, "_weight"),
    "the history": (setbacks, "with_entry"),
    "one entry": (effects, "HistoryEntry"),
    "the phase": (setbacks, "go"),
    "the end": (setbacks, "end"),
    "the message": (status_message, "remember"),
    "the refusal": (setbacks, "Rejected"),
    "the event": (setbacks, "Event"),
    "a command's record": (commands, "LastCommand"),
    "reading the command": (seen, "command_of"),
    "what the configuration says to the spec": (reconcile, "check_against"),
    "the claims": (reconcile, "judge_claim"),
    "the limits": (reconcile, "judge_limits"),
    "the number of resources": (Population, "older_than"),
    "the order": (Order, "look"),
    "who contests the weights": (Contests, "observed"),
    "the status as JSON": (record, "dump"),
    "the fallback's own status": (fallback, "_told"),
}


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a defect\x00 of the operator")


CASES = [
    (builder, trigger)
    for builder in BUILDERS
    for trigger in TRIGGERS
    if (builder, trigger) != ("reading the command", "abort")  # a command that was never read is unknown
]


@pytest.mark.alike(10)
@pytest.mark.parametrize(("builder", "trigger"), CASES)
async def test_a_builder_that_fails_keeps_no_traffic(builder: str, trigger: str, monkeypatch: pytest.MonkeyPatch):
    rollout = at_25_percent()
    TRIGGERS[trigger](rollout, "text")
    monkeypatch.setattr(*BUILDERS[builder], broken)
    try:
        await rollout.run()
    except RuntimeError:
        assert builder == "the status as JSON", "only what cannot be written at all ends a pass"
    assert rollout.weight == 0
    assert rollout.api.writes[0] == ("PATCH", ROUTE)


@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_what_went_wrong_is_said_in_a_short_status_once(trigger: str, monkeypatch: pytest.MonkeyPatch):
    rollout = at_25_percent()
    TRIGGERS[trigger](rollout, "text")
    monkeypatch.setattr(conditions, "merge", broken)
    for _ in range(3):
        await rollout.run()
    status = rollout.status
    assert (status["phase"], status["reason"]) == (ENDS[trigger], reasons.INTERNAL_ERROR)
    assert "RuntimeError: a defect� of the operator" in status["message"]
    assert rollout.api.writes.count(("PUT", f"{ROLLOUT}/status")) <= 2  # the end, and once that it still cannot


@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_a_defect_that_is_gone_leaves_a_rollout_that_goes_on(trigger: str):
    rollout = at_25_percent()
    TRIGGERS[trigger](rollout, "text")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "merge", broken)
        await rollout.run()
    await rollout.run()
    assert rollout.status["phase"] == ENDS[trigger]
    assert rollout.weight == 0
    assert len(rollout.status["conditions"]) >= 1


async def test_with_nothing_to_lower_a_defect_moves_nothing(monkeypatch: pytest.MonkeyPatch):
    rollout = at_25_percent()
    monkeypatch.setattr(decide, "account", broken)
    for _ in range(2):
        await rollout.run()
    assert rollout.weight == 25
    assert (rollout.status["phase"], rollout.status["reason"]) == ("Stepping", reasons.INTERNAL_ERROR)


async def test_a_weight_that_is_too_high_is_lowered_to_the_steps_during_a_defect(monkeypatch: pytest.MonkeyPatch):
    rollout = at_25_percent()
    refs = rollout.api.objects[ROUTE]["spec"]["rules"][0]["backendRefs"]
    refs[0]["weight"], refs[1]["weight"] = 10, 90
    monkeypatch.setattr(decide, "account", broken)
    await rollout.run()
    assert rollout.weight == 25


async def test_somebody_elses_route_stays_as_it_is_during_a_defect(monkeypatch: pytest.MonkeyPatch):
    rollout = at_25_percent()
    rollout.annotate(ROUTE, {"modelrollout.dev/resource": "other/name"})
    TRIGGERS["abort"](rollout, "text")
    monkeypatch.setattr(decide, "account", broken)
    await rollout.run()
    assert rollout.weight == 25
    assert ("PATCH", ROUTE) not in rollout.api.writes


async def test_a_status_that_the_api_server_refuses_is_written_short():
    rollout = at_25_percent()
    TRIGGERS["abort"](rollout, "text")

    def refuse(_method: str, path: str, body: Any) -> None:
        if path.endswith("/status") and body["status"]["history"][-1]["message"]:
            raise Unreachable("ApiInvalid", "status.history[1].message: Too long\x1b")

    rollout.api.refuse = refuse
    await rollout.run()
    status = rollout.status
    assert rollout.weight == 0
    assert (status["phase"], status["reason"]) == ("RolledBack", reasons.STATUS_TRUNCATED)
    assert "Too long�" in status["message"]
    assert status["lastCommand"]["nonce"] == "n1"
    assert status["rejected"]["version"] == "2"


@pytest.mark.parametrize(("refusing", "weight"), [(False, 50), (True, 25)])
async def test_nothing_is_raised_after_a_status_that_was_cut_short(refusing: bool, weight: int):
    rollout = at_25_percent()
    rollout.reconciler.writer.clock.time += 61  # type: ignore[attr-defined]  # a Clock of the tests
    rollout.fail(GateResult("errors", "ErrorRate", "PASS", "so"))

    def refuse(_method: str, path: str, body: Any) -> None:
        if refusing and path.endswith("/status") and body["status"].get("reason") != reasons.STATUS_TRUNCATED:
            raise Unreachable("ApiInvalid", "no")

    rollout.api.refuse = refuse
    await rollout.run()
    assert rollout.status["step"]["weight"] == 50
    assert rollout.weight == weight


async def test_the_third_loss_is_the_last_one_during_a_defect_too(monkeypatch: pytest.MonkeyPatch):
    rollout = at_25_percent()
    rollout.change(ROLLOUT, status=rollout.status | {"rollout": rollout.status["rollout"] | {"losses": 2}})
    TRIGGERS["lost"](rollout, "text")
    monkeypatch.setattr(decide, "account", broken)
    await rollout.run()
    assert rollout.status["phase"] == "RolledBack"
    assert rollout.status["rejected"]["version"] == "2"


async def test_an_object_that_takes_no_finalizer_still_lowers():
    rollout = at_25_percent()
    rollout.change(ROLLOUT, metadata=rollout.api.objects[ROLLOUT]["metadata"] | {"finalizers": []})
    TRIGGERS["abort"](rollout, "text")

    def refuse(_method: str, path: str, _body: Any) -> None:
        if path.startswith(ROLLOUT):
            raise Unreachable("ApiInvalid", "spec.steps: Required value")

    rollout.api.refuse = refuse
    with pytest.raises(Unreachable):
        await rollout.run()
    assert rollout.weight == 0


async def test_a_sink_that_cannot_even_begin_stops_no_write(monkeypatch: pytest.MonkeyPatch):
    rollout = at_25_percent()
    TRIGGERS["abort"](rollout, "text")
    monkeypatch.setattr(rollout.reconciler.writer.notifier, "tell", broken)
    await rollout.run()
    assert rollout.weight == 0
    assert "modelrollout.dev/command" not in rollout.api.objects[ROLLOUT]["metadata"]["annotations"]


def test_every_phase_of_a_rollout_has_an_end_for_every_trigger_of_the_fallback():
    ending = (phases.Trigger.ABORT, phases.Trigger.BREACH, phases.Trigger.REVERTED)
    assert all((phase, trigger) in phases.TRANSITIONS for phase in phases.RUNNING for trigger in ending)
