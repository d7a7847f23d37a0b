"""What was edited, refused or remembered: passes go on from there, on memory in place of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.api.spec import Spec
from modelrollout.api.status import DeadShare, Status, dump
from modelrollout.dialects.traefik import TRAEFIK
from modelrollout.ports import Unreachable
from modelrollout.runtime.polling_plan import polling_plan
from tests.unit.rollout.world import World
from tests.unit.runtime.in_memory import made, one_pass, router_of

GATES = [{"name": "errors", "type": "ErrorRate", "max": "6%"}]


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["Waiting", "Stepping", "Baking"])
async def test_gates_edited_in_mid_rollout_are_judged_and_the_rollout_goes_on(phase: str):
    reconciler, watch, cluster, clock = made()
    for _ in range(100):
        await one_pass(reconciler, watch, cluster, clock)
        if cluster.obj["status"]["phase"] == phase:
            break
    await one_pass(reconciler, watch, cluster, clock)
    candidate = cluster.obj["status"]["candidate"]
    cluster.obj["spec"]["gates"] = GATES
    edited = clock.time
    while (status := cluster.obj["status"])["stable"] != candidate:
        await one_pass(reconciler, watch, cluster, clock)
        assert clock.time - edited < 900, (status["phase"], status["reason"], status["message"])
    assert clock.time - edited >= 60  # the hold starts again, in the bake as well


async def test_a_port_edited_alone_moves_the_traffic_there():
    reconciler, watch, cluster, clock = made()
    for _ in range(3):
        clock.time += 15
        await reconciler.run(watch)
        for target in watch.polling.targets:
            await watch._probe(target)
    assert cluster.obj["status"]["phase"] == "Serving"
    cluster.obj["spec"]["serving"]["port"] = 9000
    await reconciler.run(watch)
    assert [(target.version, target.port) for target in watch.polling.targets] == [("1", 9000)]


@pytest.mark.slow
async def test_a_raise_that_the_api_server_refuses_is_reported_and_comes_when_it_can(monkeypatch: pytest.MonkeyPatch):
    reconciler, watch, cluster, clock = made()
    for _ in range(100):
        await one_pass(reconciler, watch, cluster, clock)
        if cluster.obj["status"]["phase"] == "Stepping":
            break
    written = router_of(reconciler).apply

    async def no_raise(namespace: str, name: str, spec: Any, plan: Any, seen: Any) -> Any:
        if plan.weight > 100 - seen.weight_of(plan.stable):
            raise Unreachable("ApiForbidden", "httproutes is forbidden")
        return await written(namespace, name, spec, plan, seen)

    monkeypatch.setattr(router_of(reconciler), "apply", no_raise)
    seen = set()
    for number in range(40):
        await one_pass(reconciler, watch, cluster, clock)
        await reconciler.run(watch)
        if number > 20:
            seen.add((cluster.obj["status"]["reason"], cluster.obj["status"]["weight"]["observed"]))
    assert seen == {("RouteNotWritten", 5)}
    assert [record["weight"] for record in cluster.obj["status"]["steps"]] == [5, 25]
    monkeypatch.setattr(router_of(reconciler), "apply", written)
    for _ in range(40):
        await one_pass(reconciler, watch, cluster, clock)
        if cluster.obj["status"]["stable"] == "2":
            break
    assert cluster.obj["status"]["stable"] == "2"
    assert watch.refusals == 0


def test_the_evaluator_is_asked_with_what_the_status_holds_also_after_a_restart():
    world = World().adopted()
    for version, dead in (("2", 0.07), ("3", 0.08)):
        world.want(version)
        world.make_ready(version)
        world.layers = (DeadShare(layer="h1", dead=dead, units=100, window_size=200, dead_if="zero"),)
        while world.parsed.stable != version:
            world.tick()
    world.want("4")
    world.make_ready("4")
    for _ in range(4):
        world.tick()
    spec, again = Spec.model_validate(world.spec), Status.model_validate(dump(world.parsed))
    _, watch, _, _ = made()
    first, second = (
        polling_plan(watch, spec, one, world.route, ("", TRAEFIK)).request for one in (world.parsed, again)
    )
    assert first is not None
    assert first == second
    assert [one.version for one in first.promoted] == ["2", "3"]
