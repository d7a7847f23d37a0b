"""A step of copies: only where a gateway says it can, judged by the candidate's own series, and no user is exposed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.api.problems import parse_spec
from modelrollout.core.analysis.gates.sources.copies import on_copies
from modelrollout.core.evaluation import GateResult
from tests.expect import present
from tests.unit.rollout.world import World, manifest

CAN = frozenset({"HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"})
COPIES = {"mirror": 10, "hold": "60s"}
STEPS = [COPIES, *manifest()["steps"]]


class Copying(World):
    """The same small world, whose gateway says what it can."""

    @property
    def copied(self) -> int:
        """Percent of the requests that version 2 gets copies of."""
        return self.route.mirror if self.route else 0


def copying(*, steps: Any = None, features: frozenset[str] | None = CAN) -> Copying:
    """Version 1 serves, 2 is ready and wanted."""
    world = Copying(spec=manifest(steps=steps or STEPS))
    world.features = features
    world.adopted()
    world.want("2")
    world.make_ready("2")
    for _ in range(4):
        world.tick(1)
    return world


def test_the_candidate_gets_copies_and_no_weight():
    world = copying()
    assert (world.phase, world.weight, world.copied) == ("Stepping", 0, 10)
    assert (present(world.parsed.step).weight, present(world.parsed.step).mirror) == (0, 10)
    assert "copies of 10 % of the requests to version 2" in world.parsed.message
    assert any("step 1/4: copies of 10 % to version 2" in event.message for event in world.events)
    assert world.parsed.weight.desired == 0


def test_the_first_weight_comes_after_the_hold_without_copies_and_with_fresh_evidence():
    world = copying()
    began = present(world.parsed.rollout).evidence_from
    for _ in range(6):
        world.tick()
    assert (world.phase, world.weight, world.copied) == ("Stepping", 5, 0)
    assert present(world.parsed.rollout).evidence_from > began
    assert [record.weight for record in world.parsed.steps] == [5]
    assert present(world.parsed.step).mirror is None
    assert world.status["step"]["number"] == 2


def test_a_promotion_goes_through_every_weight():
    world = copying()
    for _ in range(60):
        world.tick()
        if world.parsed.stable == "2":
            break
    assert [weight for weight in dict.fromkeys(world.weights) if weight] == [5, 25, 50, 100]
    assert world.parsed.stable == "2"


def test_copies_need_as_many_requests_as_any_step_and_nothing_that_leans_bad():
    world = copying()
    world.requests = 5
    for _ in range(8):
        world.tick()
    assert (world.weight, world.copied, world.parsed.reason) == (0, 10, "TooFewRequests")
    world.requests, world.leaning = 1000, True
    for _ in range(8):
        world.tick()
    assert (world.weight, world.copied) == (0, 10)


@pytest.mark.parametrize("how", ["breach", "abort", "lost", "reverted"])
def test_what_ends_the_rollout_takes_the_copies_off_at_once(how: str):
    world = copying()
    if how == "breach":
        world.verdict = "FAIL"
    elif how == "abort":
        world.ask("abort", "2")
    elif how == "lost":
        world.make_unready("2")
    else:
        world.want("1")
    world.tick(1)
    assert world.copied == 0
    kinds = [kind for kind, _, _ in world.writes]
    assert kinds.index("lower") < kinds.index("status")
    if how in ("breach", "abort"):
        assert world.phase == "RolledBack"


def test_copies_stay_while_the_spec_is_invalid_and_an_abort_still_takes_them_off():
    world = copying()
    world.spec = world.spec | {"steps": []}
    world.tick()
    assert world.copied == 10
    world.ask("abort", "2")
    world.tick(1)
    assert world.copied == 0


@pytest.mark.parametrize(
    ("features", "mirror", "says"),
    [
        (frozenset(), 10, "does not list HTTPRouteRequestMirror and HTTPRouteRequestPercentageMirror"),
        (frozenset({"HTTPRouteRequestMirror"}), 10, "HTTPRouteRequestPercentageMirror"),
        (frozenset({"HTTPRouteRequestPercentageMirror"}), 100, "does not list HTTPRouteRequestMirror in"),
        (None, 10, "not known yet"),
    ],
)
def test_a_gateway_that_cannot_or_does_not_say_so_moves_nothing(
    features: frozenset[str] | None, mirror: int, says: str
):
    world = copying(steps=[COPIES | {"mirror": mirror}, *manifest()["steps"]], features=features)
    for _ in range(8):
        world.tick()
    assert says in world.parsed.message
    assert (world.phase, world.weight, world.copied) == ("Waiting", 0, 0)
    if features is not None:
        assert world.parsed.reason == "MirrorNotSupported"
        assert sum(event.reason == "MirrorNotSupported" for event in world.events) == 1
        assert {"type": "Stalled", "status": "True"}.items() <= world.status["conditions"][1].items()


def test_all_requests_are_copied_without_a_percentage():
    world = copying(
        steps=[COPIES | {"mirror": 100}, *manifest()["steps"]], features=frozenset({"HTTPRouteRequestMirror"})
    )
    assert world.copied == 100


def test_a_filter_that_somebody_takes_off_holds_the_step_and_comes_back():
    world = copying()
    world.route = replace(present(world.route), mirror=0)
    world.evaluating = False
    decision = world.tick()
    assert decision.status.reason == "RaisePending"
    assert "copies of 0 % of the requests instead of 10 %" in decision.status.message
    assert world.copied == 10


def test_a_step_of_copies_that_is_edited_away_gives_no_weight():
    world = copying()
    world.spec = world.spec | {"steps": manifest()["steps"]}
    world.generation += 1
    world.tick(1)
    assert (world.copied, world.weight, present(world.parsed.step).mirror) == (0, 0, None)


BAD: dict[str, tuple[list[dict[str, Any]], str]] = {
    "neither": ([{"hold": "1m"}], "spec.steps[0].weight is unset: add the percent"),
    "both": ([COPIES | {"weight": 5}], "spec.steps[0].mirror is 10: keep one of weight and mirror"),
    "copies alone": ([COPIES], "add a step with a weight after it"),
    "copies later": ([{"weight": 5, "hold": "1m"}, COPIES], "spec.steps[1].mirror is 10: move it to the first step"),
    "copies twice": ([COPIES, COPIES, {"weight": 5, "hold": "1m"}], "spec.steps[1].mirror is 10: move it"),
    "none": ([COPIES | {"mirror": 0}], "spec.steps[0].mirror is 0: choose at least 1"),
    "too many": ([COPIES | {"mirror": 101}], "spec.steps[0].mirror is 101: choose at most 100"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_step_that_means_nothing_is_refused_with_what_to_write(what: str):
    steps, says = BAD[what]
    spec, problems = parse_spec(manifest(steps=steps))
    assert spec is None
    assert says in problems[0].sentence


def test_a_route_of_gits_gets_no_copies():
    traffic = {"gateway": {"name": "inference"}, "adopt": {"name": "front"}}
    spec, problems = parse_spec(manifest(steps=STEPS, traffic=traffic))
    assert spec is None
    assert "spec.steps[0].mirror is 10: remove the step" in problems[0].sentence


def test_a_gate_that_only_a_gateway_can_judge_waits_for_the_first_weight():
    result = GateResult("p99", "Latency", "NO_DATA", "NoDialect: nothing", unjudgeable=True)
    excused = on_copies(result)
    assert (excused.required, excused.verdict) == (False, "NO_DATA")
    assert excused.message.startswith("judged from the first weight on")
    assert on_copies(GateResult("e", "ErrorRate", "NO_DATA", "no sample yet")).required
