"""Floors and limits: each refusal names its setting, nothing that goes on is stopped, and what waits is let go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from modelrollout.adapters.kubernetes import calls as module
from modelrollout.adapters.kubernetes.calls import Calls
from modelrollout.api.config import parse_config
from modelrollout.api.problems import check_limits, parse_spec
from modelrollout.api.status import RolloutStatus, Status
from modelrollout.core.evaluation import GateResult
from modelrollout.core.observation import ObservedRoute
from modelrollout.fair.tenant import ABOUT, urgent
from modelrollout.ports import Unreachable
from modelrollout.runtime.claiming.population import Population, judge_limits, judge_number
from tests.expect import present
from tests.unit.borders.cluster import at_25_percent
from tests.unit.rollout.world import manifest

SERVER = {"prometheus": [{"url": "http://p:9090"}]}
ROUTE = ObservedRoute("1", (), "")


def sentences(limits: dict[str, Any], **spec: Any) -> list[str]:
    found, problems = parse_spec(manifest("2", **spec))
    assert not problems
    return [one.sentence for one in check_limits(present(found), parse_config(SERVER | {"limits": limits}))]


def test_the_defaults_refuse_nothing_that_the_definition_takes():
    gates = [{"name": f"g{n}", "type": "ErrorRate", "max": "5%"} for n in range(24)]
    assert sentences({}, analysis={"interval": "1s"}, gates=gates) == []


def test_too_short_an_interval_and_too_many_gates_are_refused_with_the_setting():
    gates = [{"name": f"g{n}", "type": "ErrorRate", "max": "5%"} for n in range(9)]
    floors = {"shortestInterval": "15s", "mostGates": 8}
    assert sentences(floors, analysis={"interval": "15s"}, gates=gates[:8]) == []
    short, many = sentences(floors, analysis={"interval": "14s"}, gates=gates)
    assert short.startswith('spec.analysis.interval is "14s": choose "15s" or more')
    assert "limits.shortestInterval" in short
    assert many.startswith("spec.gates has 9 gates: keep 8")
    assert "limits.mostGates" in many


def test_a_rollout_that_began_with_its_gates_goes_on_and_edited_ones_are_refused():
    spec = present(parse_spec(manifest("2", analysis={"interval": "5s"}))[0])
    config = parse_config(SERVER | {"limits": {"shortestInterval": "15s"}})

    def began(digest: str) -> Status:
        rollout = RolloutStatus(started_at=0.0, evidence_from=0.0, waiting_since=0.0, gates_digest=digest)
        return Status(phase="Waiting", stable="1", candidate="2", rollout=rollout)

    assert "limits.shortestInterval" in judge_limits(spec, config, Status(phase="Serving", stable="1"))[0]
    assert "limits.shortestInterval" in judge_limits(spec, config, began("other"))[0]
    why, (said,) = judge_limits(spec, config, began(spec.gates_digest()))
    assert why == ""
    assert said.startswith("its rollout began with it, so it goes on: spec.analysis.interval")


async def test_limits_that_are_lowered_in_mid_step_stop_no_evaluation_and_no_rollback():
    live = at_25_percent()
    longer = parse_config(SERVER | {"limits": {"shortestInterval": "1h"}}).limits
    live.reconciler.config = live.reconciler.config.model_copy(update={"limits": longer})
    await live.run()
    assert (live.status["phase"], live.weight) == ("Stepping", 25)
    assert any("limits.shortestInterval" in text for text in live.status["warnings"])
    assert live.watch.polling.request is not None
    live.fail(GateResult("errors", "ErrorRate", "FAIL", "bad", required=True))
    await live.run()
    assert live.weight == 0


@pytest.mark.parametrize(
    "wrong", [{"shortestInterval": "soon"}, {"mostGates": 0}, {"mostResources": 0}, {"mostGate": 3}]
)
def test_limits_that_are_none_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=r"limits"):
        parse_config(SERVER | {"limits": wrong})


def made(name: str, at: str, namespace: str = "vision") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, "creationTimestamp": at}}


def test_the_oldest_are_served_in_whatever_order_they_are_met_and_a_deleted_one_makes_room():
    population = Population()
    objects = [made(f"r{n}", f"2026-01-01T00:00:{n:02d}Z") for n in (3, 1, 2, 0)]
    for one in [*objects, made("other", "2020-01-01T00:00:00Z", "speech"), *objects]:
        population.older_than(one)
    assert [population.older_than(one) for one in objects] == [3, 1, 2, 0]
    population.forget(("vision", "r1"))
    population.forget(("vision", "r1"))
    assert [population.older_than(objects[n]) for n in (0, 2, 3)] == [2, 1, 0]
    again = made("r0", "2026-02-01T00:00:00Z")  # deleted and made again between two looks
    assert population.older_than(again) == 2


def test_one_too_many_is_refused_with_the_setting_unless_it_has_a_route():
    assert judge_number(9, 10, "vision", None) == ("", ())
    refused, _ = judge_number(10, 10, "vision", None)
    assert "10 older ModelRollouts (vision)" in refused
    assert "limits.mostResources" in refused
    assert judge_number(10, 10, "vision", replace(ROUTE, foreign="somebody"))[0] == refused
    why, (notice,) = judge_number(10, 10, "vision", ROUTE)
    assert why == ""
    assert notice.startswith("it has a route, so it goes on")


@pytest.mark.slow
async def test_a_call_whose_turn_does_not_come_fails_with_the_setting_and_a_lowering_is_sent(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    ABOUT.set(("vision", "digits"))
    calls = Calls(5, 5)

    async def one() -> None:
        async with calls.turn("GET", "/x"):
            pass

    outcomes = await asyncio.gather(*(one() for _ in range(20)), return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, Unreachable)]
    assert len(refused) >= 14
    assert {one.reason for one in refused} == {"ApiThrottled"}
    assert "apiCalls.perSecond" in str(refused[0])
    with urgent():
        async with asyncio.timeout(0.5):
            await asyncio.gather(*(one() for _ in range(20)))


async def test_calls_without_an_answer_leave_places_for_other_namespaces():
    calls, hang = Calls(1000, 1000), asyncio.Event()

    async def one(namespace: str) -> None:
        ABOUT.set((namespace, "x"))
        async with calls.turn("GET", "/x"):
            if namespace == "greedy":
                await hang.wait()

    greedy = [asyncio.create_task(one("greedy")) for _ in range(200)]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(1):
        await asyncio.gather(*(asyncio.create_task(one(f"n{n}")) for n in range(50)))
    hang.set()
    await asyncio.gather(*greedy)
