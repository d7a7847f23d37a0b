"""What others change meanwhile: the spec, the route, the weights that are served."""

from __future__ import annotations

from dataclasses import replace

from modelrollout.core.observation import Readiness
from tests.golden.scenarios.acting import Scenario, ticks, until
from tests.unit.rollout.world import World

OTHER_GATES = [{"name": "errors", "type": "ErrorRate", "max": "2%"}]


def other_weights_under_the_same_version(world: World) -> None:
    world.digest = "sha256:a"
    world.stepping().tick()
    world.digest = "sha256:b"
    world.tick()


def the_steps_are_edited(world: World) -> None:
    world.stepping().spec |= {"steps": [{"weight": 1, "hold": "60s"}, {"weight": 90, "hold": "60s"}]}
    ticks(world, 2)


def the_gates_are_edited(world: World) -> None:
    world.stepping().spec |= {"gates": OTHER_GATES}
    ticks(world, 2)


def the_gates_are_edited_in_the_bake(world: World) -> None:
    until(world.stepping(), "Baking")
    world.tick()
    world.spec |= {"gates": OTHER_GATES}
    ticks(world, 2)


def another_model_in_the_spec(world: World) -> None:
    world.adopted().spec["model"] = {"name": "letters", "version": "2"}
    world.generation += 1
    assert world.route is not None
    world.route = replace(world.route, model="digits")
    world.tick()


def another_service_in_the_spec(world: World) -> None:
    world.adopted().spec |= {"serving": {"service": "letters-v{version}", "port": 8000}}
    world.make_unready("1")
    ticks(world, 2)
    world.make_ready("1")
    world.tick()


def an_invalid_spec(world: World) -> None:
    world.stepping().spec |= {"steps": [{"weight": 50, "hold": "1m"}, {"weight": 5, "hold": "1m"}]}
    ticks(world, 2)


def an_invalid_spec_before_anything_serves(world: World) -> None:
    world.spec |= {"steps": []}
    world.tick()


def a_weight_is_lowered_by_hand(world: World) -> None:
    world.stepping().evaluating = False
    world.set_weight(1)
    ticks(world, 2)
    world.ask("resume")
    ticks(world, 2)


def a_weight_is_raised_by_hand(world: World) -> None:
    world.stepping().set_weight(80)
    world.tick()


def a_raise_gets_lost(world: World) -> None:
    world.stepping()
    while world.parsed.step is not None and world.parsed.step.weight == 5:
        world.tick(crash="route")
    world.evaluating = False
    world.tick()


def the_route_is_deleted(world: World) -> None:
    world.stepping().route = None
    ticks(world, 2)


def the_gateway_rejects_the_route(world: World) -> None:
    world.stepping()
    assert world.route is not None
    reason = "NoMatchingListenerHostname: digits.example.com"
    world.route = replace(world.route, acceptance="REJECTED", acceptance_reason=reason)
    world.tick()


def the_gateway_rejects_the_route_and_says_nothing(world: World) -> None:
    world.stepping()
    assert world.route is not None
    world.route = replace(world.route, acceptance="REJECTED")
    world.tick()


def the_route_does_not_say_which_version_is_stable(world: World) -> None:
    world.stepping().status = {}
    assert world.route is not None
    world.route = replace(world.route, stable=None)
    world.tick()
    world.route = replace(world.route, doubt="the annotation names version 7, which is no backend")
    world.tick()


def a_status_that_contradicts_the_route(world: World) -> None:
    world.stepping()
    world.status = {"phase": "Serving", "stable": "2", "history": world.status["history"]}
    world.tick()


def the_route_cannot_be_written(world: World) -> None:
    world.stepping()
    while world.parsed.step is not None and world.parsed.step.weight == 5:
        world.tick(crash="lowered")
    world.refusals, world.refusal = 2, "admission webhook refused the HTTPRoute"
    world.tick(crash="lowered")
    world.refusals = 3
    ticks(world, 1)
    world.refusals = 4
    world.tick()


def addresses_that_may_no_longer_be_asked(world: World) -> None:
    text = "1 of 1 addresses of digits-v2 may not be asked"
    world.stepping().ready["2"] = Readiness("2", ready=False, since=None, failures=0, message=text, refused=True)
    ticks(world, 2)


def a_gateway_that_is_no_longer_allowed(world: World) -> None:
    text = "its route has it, so it stays: spec.traffic.gateway: Gateway infra/inference is not allowed here"
    world.stepping().notices = (text,)
    ticks(world, 2)


ALL: tuple[Scenario, ...] = (
    addresses_that_may_no_longer_be_asked,
    a_gateway_that_is_no_longer_allowed,
    other_weights_under_the_same_version,
    the_steps_are_edited,
    the_gates_are_edited,
    the_gates_are_edited_in_the_bake,
    another_model_in_the_spec,
    another_service_in_the_spec,
    an_invalid_spec,
    an_invalid_spec_before_anything_serves,
    a_weight_is_lowered_by_hand,
    a_weight_is_raised_by_hand,
    a_raise_gets_lost,
    the_route_is_deleted,
    the_gateway_rejects_the_route,
    the_gateway_rejects_the_route_and_says_nothing,
    the_route_does_not_say_which_version_is_stable,
    a_status_that_contradicts_the_route,
    the_route_cannot_be_written,
)
