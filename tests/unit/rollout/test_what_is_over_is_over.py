"""What went wrong and is well again, or was asked and not answered, leaves neither a rollout stuck nor a wrong end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.api.status import Verdict
from modelrollout.core.evaluation import MetricsOutage
from modelrollout.ports import Unreachable
from tests.expect import present
from tests.unit.rollout.test_a_rollout_from_start_to_end import in_doubt, reasons_of
from tests.unit.rollout.world import World, manifest
from tests.unit.runtime.in_memory import made, one_pass, router_of

GATES = [{"name": "errors", "type": "ErrorRate", "max": "6%"}]


def reject(world: World) -> None:
    why = "Gateway x refuses the route: no listener"
    world.route = replace(present(world.route), acceptance="REJECTED", acceptance_reason=why)


def accept(world: World) -> None:
    world.route = replace(present(world.route), acceptance="ACCEPTED", acceptance_reason="")


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


@pytest.mark.parametrize("verdict", ["NO_DATA", "CONTINUE", "NOT_COMPARABLE"])
def test_what_passed_the_old_gates_is_not_promoted_by_the_new_ones(verdict: Verdict):
    world = World().stepping()
    while world.phase != "Baking":
        world.tick()
    world.tick()
    world.spec |= {"gates": GATES}
    world.verdict = verdict
    decision = world.tick()
    assert decision.lower is not None
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == ("Stepping", 50, "GatesChanged")
    for _ in range(20):
        world.tick()
    assert (world.phase, world.weight_of("2"), present(world.parsed.rollout).doubts) == ("Stepping", 50, 0)
    world.verdict = "PASS"
    while world.phase != "Serving":
        world.tick()
    assert world.parsed.stable == "2"


def test_gates_and_steps_edited_together_record_the_weight_that_is_served():
    world = World().stepping()
    while world.weight_of("2") != 50:
        world.tick()
    world.spec |= {"gates": GATES, "steps": [{"weight": 5, "hold": "60s"}, {"weight": 10, "hold": "60s"}]}
    world.tick()
    status = world.parsed
    assert (present(status.step).weight, status.steps[-1].weight, world.weight_of("2")) == (10, 10, 10)
    assert status.steps[-1].started_at == present(status.step).started_at


def test_a_candidate_that_was_ready_all_the_while_is_not_rejected_for_a_restart_or_one_failed_probe():
    world = World().adopted()
    world.want("2")
    world.make_ready("2")
    world.outage = MetricsOutage("PrometheusUnreachable", "refused", world.now)
    for _ in range(90):
        world.tick()
    world.ready.clear()
    world.tick()
    assert world.phase == "Waiting"
    world.make_unready("2", failures=1)
    world.tick()
    assert world.phase == "Waiting"
    world.make_unready("2", failures=2)
    world.tick()
    assert (world.phase, present(world.parsed.rejected).reason) == ("Rejected", "ReadyDeadlineExceeded")


def again_in_doubt() -> World:
    world = in_doubt(World().stepping())
    world.verdict, world.frozen = "PASS", False
    in_doubt(world)
    world.verdict, world.frozen = "PASS", False
    assert (world.phase, world.parsed.reason) == ("Inconclusive", "BakeInDoubt")
    return world


def test_a_doubt_that_nobody_answered_is_asked_again_after_a_loss():
    world = again_in_doubt()
    world.make_unready("2")
    world.tick()
    assert world.phase == "Waiting"
    world.make_ready("2")
    for _ in range(40):
        world.tick()
    assert (world.phase, world.parsed.reason, world.parsed.stable) == ("Inconclusive", "BakeInDoubt", "1")
    world.ask("resume", "2")
    for _ in range(40):
        world.tick()
    assert (world.phase, world.parsed.stable) == ("Serving", "2")


def test_no_bake_ends_while_something_else_halts_it():
    world = World().stepping()
    while world.phase != "Baking":
        world.tick()
    world.halt = "WeightsDiffer"
    for _ in range(10):
        world.tick()
    assert (world.phase, world.parsed.reason) == ("Baking", "WeightsDiffer")
    world.halt = None
    world.tick()
    assert world.parsed.stable == "2"


def test_a_candidate_that_comes_and_goes_is_rejected_in_the_end():
    world = World().adopted()
    world.want("2")
    for number in range(300):
        if number % 2:
            world.make_unready("2", failures=1)
        else:
            world.make_ready("2", since=world.now)
        world.tick()
        if world.phase == "Rejected":
            break
    assert present(world.parsed.rejected).reason == "ReadyDeadlineExceeded"


def test_the_answer_to_another_question_is_none_to_a_doubt():
    world = World(spec=manifest(analysis={"deadline": "30m", "minimumRequests": 100})).stepping()
    in_doubt(world)
    world.verdict, world.frozen = "PASS", False
    in_doubt(world)
    world.verdict, world.frozen = "CONTINUE", False
    assert (world.phase, world.parsed.reason) == ("Inconclusive", "BakeInDoubt")
    world.make_unready("2")
    world.tick()
    world.make_ready("2")
    while world.phase != "Inconclusive":
        world.tick()
    assert world.parsed.reason == "DeadlineExceeded"
    world.ask("resume", "2")
    world.verdict = "PASS"
    world.tick()
    while world.phase != "Inconclusive":
        world.tick()
    assert (world.parsed.reason, world.parsed.stable) == ("BakeInDoubt", "1")


def test_an_abort_under_an_invalid_spec_ends_the_attempt_that_was_raised_before():
    world = World().stepping()
    world.spec |= {"attempt": 2}
    world.tick()
    fixed = world.spec
    world.spec = fixed | {"steps": []}
    world.ask("abort", "2")
    world.tick()
    world.spec = fixed
    for _ in range(5):
        world.tick()
    assert (world.phase, present(world.parsed.rejected).attempt) == ("RolledBack", 2)


def test_an_abort_as_another_version_is_asked_for_ends_the_attempt_of_its_own():
    world = World().stepping()
    world.tick()
    world.want("3")
    world.spec |= {"attempt": 5}
    world.ask("abort", "2")
    world.tick()
    assert (present(world.parsed.rejected).version, present(world.parsed.rejected).attempt) == ("2", 1)


@pytest.mark.parametrize("end", ["abort", "breach"])
def test_an_attempt_raised_in_mid_rollout_is_the_one_that_ended(end: str):
    world = World().stepping()
    world.spec |= {"attempt": 2}
    world.tick()
    if end == "abort":
        world.ask("abort", "2")
    else:
        world.verdict = "FAIL"
    for _ in range(5):
        world.tick()
    assert (world.phase, present(world.parsed.rejected).attempt) == ("RolledBack", 2)
    world.verdict = "PASS"
    world.spec |= {"attempt": 3}
    world.tick()
    assert world.phase == "Waiting"


@pytest.mark.parametrize("rolled_back", [False, True])
def test_a_route_that_its_gateway_rejects_is_reported_at_rest_too(rolled_back: bool):
    world = World().stepping() if rolled_back else World().adopted()
    if rolled_back:
        world.verdict = "FAIL"
        world.tick()
    before = world.phase, world.parsed.reason
    reject(world)
    world.tick()
    status = world.parsed
    assert (status.phase, status.reason) == (before[0], "RouteRejected")
    assert status.message == "Gateway x refuses the route: no listener"
    assert {c.type: c.status for c in status.conditions} == {"Ready": "False", "Stalled": "True"}
    accept(world)
    world.tick()
    assert world.parsed.reason != "RouteRejected"


@pytest.mark.parametrize("what", ["RouteRejected", "BreachHeld"])
def test_a_weight_lowered_by_hand_does_not_hide_what_keeps_it_low(what: str):
    world = World(spec=manifest(analysis={"onBreach": "Pause", "minimumRequests": 100})).stepping()
    world.set_weight(1)
    if what == "RouteRejected":
        reject(world)
    else:
        world.verdict = "FAIL"
    world.tick()
    assert (world.parsed.reason, world.weight_of("2")) == (what, 1)
    if what == "BreachHeld":
        assert any(c.type == "Paused" for c in world.parsed.conditions)


def test_a_pause_outside_a_rollout_is_refused_rather_than_forgotten():
    world = World().adopted()
    world.ask("pause")
    world.tick()
    assert present(world.parsed.last_command).result.startswith("refused")


@pytest.mark.parametrize("trouble", ["spec", "route"])
def test_the_deadline_counts_no_time_in_which_nothing_could_be_proven(trouble: str):
    world = World(spec=manifest(analysis={"deadline": "10m", "minimumRequests": 100})).stepping()
    world.verdict = "CONTINUE"
    fixed = world.spec
    if trouble == "spec":
        world.spec = fixed | {"steps": []}
    else:
        reject(world)
    for _ in range(60):
        world.tick()
        if trouble == "route":  # which the world's writes fix
            reject(world)
    world.spec = fixed
    accept(world)
    world.tick()
    assert world.phase == "Stepping"
    for _ in range(60):
        world.tick()
    assert world.phase == "Inconclusive"


def test_reloaded_weights_get_the_whole_deadline():
    world = World(spec=manifest(analysis={"deadline": "10m", "minimumRequests": 100}), digest="sha256:a").stepping()
    world.verdict = "CONTINUE"
    for _ in range(36):
        world.tick()
    world.digest = "sha256:b"
    for _ in range(30):
        world.tick()
    assert world.phase == "Stepping"
    for _ in range(20):
        world.tick()
    assert world.phase == "Inconclusive"


def refused(world: World, times: int) -> None:
    """Passes whose route write the API server refuses, as reconcile counts them."""
    for count in range(times):
        world.refusals, world.refusal = count + 1, "httproutes is forbidden"
        world.tick(1, crash="route")


def test_a_route_that_cannot_be_made_is_not_called_serving():
    world = World()
    world.make_ready("1")
    world.tick(crash="route")
    refused(world, 5)
    status = world.parsed
    assert (status.phase, status.reason) == ("Serving", "RouteNotWritten")
    assert status.message.endswith("httproutes is forbidden")
    assert {c.type: c.status for c in status.conditions} == {"Ready": "False", "Stalled": "True"}
    assert "RouteMissing" not in reasons_of(world)
    world.refusals = 0
    world.tick()
    assert world.weight_of("1") == 100
    assert world.parsed.reason == "Promoted"


def test_a_lowering_that_is_refused_is_reported_with_the_weight_on_the_route():
    world = World().stepping()
    world.want("1")
    for count in range(6):
        world.refusals, world.refusal = count, "httproutes is forbidden"
        world.tick(1, crash="lowered")
    status = world.parsed
    assert (status.phase, status.reason) == ("Serving", "RouteNotWritten")
    assert (status.weight.desired, status.weight.observed) == (0, 5)
    assert "WeightRaisedByOthers" not in reasons_of(world)


def test_a_raise_that_is_refused_is_reported_once_and_comes_when_it_can():
    world = World().stepping()
    while present(world.parsed.step).weight == 5:
        world.tick(crash="route")
    told = []
    for count in range(9):
        world.refusals, world.refusal = count + 1, "httproutes is forbidden"
        world.tick(crash="route")
        told.append((world.parsed.reason, world.parsed.weight.observed))
    assert told[3:] == [("RouteNotWritten", 5)] * 6
    assert reasons_of(world).count("RouteNotWritten") == 1
    assert reasons_of(world).count("RaisePending") <= 1
    world.refusals = 0
    world.tick()
    world.tick()
    assert world.weight_of("2") == 25


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
    told = set()
    for number in range(40):
        await one_pass(reconciler, watch, cluster, clock)
        await reconciler.run(watch)
        if number > 20:
            told.add((cluster.obj["status"]["reason"], cluster.obj["status"]["weight"]["observed"]))
    assert told == {("RouteNotWritten", 5)}
    assert [record["weight"] for record in cluster.obj["status"]["steps"]] == [5, 25]
    monkeypatch.setattr(router_of(reconciler), "apply", written)
    for _ in range(40):
        await one_pass(reconciler, watch, cluster, clock)
        if cluster.obj["status"]["stable"] == "2":
            break
    assert cluster.obj["status"]["stable"] == "2"
    assert watch.refusals == 0
