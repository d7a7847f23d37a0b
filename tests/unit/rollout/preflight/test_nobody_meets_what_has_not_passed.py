"""A pre-flight at weight 0: what ends it, what holds it, and that no way leads around it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.core.evaluation import GateResult, MetricsOutage
from modelrollout.core.preflight import Prober
from modelrollout.core.rollout.phases import TRANSITIONS
from tests.expect import present
from tests.unit.rollout.world import World, manifest, reasons_of

GOLDEN: dict[str, Any] = {"goldenSet": {"configMap": "golden", "key": "rows.npz"}}


def done(world: World, requests: int = 500) -> World:
    world.requests = requests
    world.report("Done", 500)
    world.tick()
    return world


def exposed(world: World) -> bool:
    return any(weight > 0 for weight in world.weights)


def test_a_good_version_passes_and_only_then_meets_users():
    world = World().in_preflight()
    world.tick()
    assert not exposed(world)
    done(world)
    assert (world.phase, world.parsed.reason) == ("Waiting", "PreflightPassed")
    assert not exposed(world)
    for _ in range(60):
        world.tick()
        if world.phase == "Serving":
            break
    assert world.parsed.stable == "2"
    assert world.parsed.preflight is None


def test_a_gate_that_fails_rejects_it_at_weight_0():
    world = World().in_preflight()
    world.verdict = "FAIL"
    world.tick()
    last = world.parsed.history[-1]
    assert (world.phase, last.result, last.reason) == ("Rejected", "Rejected", "PreflightFailed")
    assert "errors: the sentence" in last.message
    assert not exposed(world)
    world.want("2")
    for _ in range(10):
        world.tick()
    assert world.phase == "Rejected"


@pytest.mark.parametrize(
    ("state", "requests"), [("Running", 5000), ("Waiting", 5000), ("Checked", 5000), ("Done", 499), ("Refused", 5000)]
)
def test_a_part_of_the_set_is_never_taken_as_the_whole(state: Any, requests: int):
    world = World().in_preflight()
    world.requests = requests
    for _ in range(10):
        world.report(state, 499, message="why")
        world.tick()
    assert world.phase == "Preflight"
    assert not exposed(world)


def test_the_word_on_another_run_is_no_word():
    world = World().in_preflight()
    world.report("Done", 500)
    report = present(world.prober.report)
    world.prober = replace(world.prober, report=replace(report, run="another"))
    world.tick()
    assert world.phase == "Preflight"


@pytest.mark.parametrize(("verdict", "leaning"), [("NO_DATA", False), ("NOT_COMPARABLE", False), ("CONTINUE", True)])
@pytest.mark.slow
def test_what_was_not_proven_by_the_whole_set_waits_and_is_rejected_at_the_deadline(verdict: Any, leaning: bool):
    world = World().in_preflight()
    world.verdict, world.leaning = verdict, leaning
    done(world)
    assert world.phase == "Preflight"
    for _ in range(130):
        world.tick()
    assert (world.phase, world.parsed.reason) == ("Rejected", "PreflightFailed")
    assert "not passed within 30m" in world.parsed.message
    assert not exposed(world)


def test_a_named_gate_that_was_left_out_has_not_passed():
    world = World().in_preflight(preflight=GOLDEN | {"gates": ["errors"]})
    world.required, world.beside = False, (GateResult("other", "NonFinite", "PASS", ""),)
    done(world)
    assert world.phase == "Preflight"
    assert "errors" in world.parsed.message


@pytest.mark.slow
def test_without_a_prober_nothing_moves_ever():
    world = World().in_preflight()
    world.prober = Prober()
    for _ in range(600):
        world.tick(60)
    assert (world.phase, world.parsed.reason) == ("Preflight", "ProberMissing")
    assert "prober.enabled: true" in world.parsed.message
    assert {c.type: c.status for c in world.parsed.conditions}["Stalled"] == "True"
    assert not exposed(world)


@pytest.mark.slow
def test_a_prober_that_dies_in_the_middle_is_missed_and_may_begin_again():
    world = World().in_preflight()
    world.report("Running", 250)
    for _ in range(6):
        world.tick()
    assert world.parsed.reason == "ProberMissing"
    assert reasons_of(world).count("ProberMissing") == 1
    for _ in range(300):
        world.tick()
    world.report("Running", 10)
    world.tick()
    assert world.parsed.reason == "PreflightRunning"
    done(world)
    assert world.parsed.reason == "PreflightPassed"


@pytest.mark.slow
def test_without_prometheus_it_holds_and_the_deadline_waits():
    world = World().in_preflight()
    world.report("Done", 500)
    world.outage = MetricsOutage("PrometheusUnreachable", "default: connection refused", world.now)
    for _ in range(400):
        world.tick()
    assert (world.phase, world.parsed.reason) == ("Preflight", "MetricsUnavailable")
    world.outage = None
    done(world)
    assert world.parsed.reason == "PreflightPassed"


def test_a_version_that_answers_no_row_is_rejected():
    world = World().in_preflight()
    world.report("Unanswered", 20, message="version 2 gave no answer to 20 rows in a row: no answer within 5 s")
    world.tick()
    assert (world.phase, world.parsed.reason) == ("Rejected", "PreflightFailed")
    assert "20 rows in a row" in world.parsed.message


def test_a_wrong_golden_set_is_said_before_any_rollout_and_goes_when_it_is_right():
    world = World(spec=manifest(preflight=GOLDEN)).adopted()
    world.report("Refused", message="spec.preflight.goldenSet.key: it has no rows")
    world.tick()
    assert (world.phase, world.parsed.reason) == ("Serving", "GoldenSetInvalid")
    assert "spec.preflight.goldenSet.key: it has no rows" in world.parsed.message
    assert reasons_of(world).count("GoldenSetInvalid") == 1
    world.report("Checked")
    world.tick()
    assert world.parsed.reason == "Promoted"


def test_abort_and_a_spec_that_names_stable_again_end_it():
    aborted = World().in_preflight()
    aborted.ask("abort", "2")
    aborted.tick()
    assert (aborted.phase, aborted.parsed.history[-1].result) == ("RolledBack", "Aborted")
    reverted = World().in_preflight()
    reverted.want("1")
    reverted.tick()
    assert reverted.phase == "Serving"


def test_promote_leads_around_no_preflight():
    world = World().in_preflight()
    world.ask("promote", "2")
    world.tick()
    assert world.phase == "Preflight"
    assert present(world.parsed.last_command).outcome == "Refused"
    assert {end for (phase, _), end in TRANSITIONS.items() if phase == "Preflight"} == {
        "Waiting",
        "Rejected",
        "RolledBack",
        "Serving",
    }


def test_another_golden_set_other_gates_and_other_weights_ask_for_another_run():
    world = World(digest="aa").in_preflight()
    world.tick()
    runs = [present(world.parsed.preflight).run]
    world.spec = world.spec | {"preflight": GOLDEN | {"rows": 10}}
    world.tick()
    runs.append(present(world.parsed.preflight).run)
    world.spec = world.spec | {"gates": [{"name": "errors", "type": "ErrorRate", "max": "2%"}]}
    world.tick()
    world.tick()
    runs.append(present(world.parsed.preflight).run)
    assert len(set(runs)) == 3
    world.digest = "bb"
    world.tick()
    assert world.phase in ("Waiting", "Preflight")
    for _ in range(3):
        world.tick(1)
    assert world.phase == "Preflight"
    assert present(world.parsed.preflight).run not in runs
    assert not exposed(world)


def test_other_weights_under_the_same_version_go_back_to_weight_0():
    world = World(digest="aa").in_preflight()
    done(world)
    for _ in range(4):
        world.tick()
    assert world.weight_of("2") == 5
    world.digest = "bb"
    world.tick()
    assert world.weight_of("2") == 0
    for _ in range(4):
        world.tick()
    assert world.phase == "Preflight"


def test_a_version_that_was_lost_after_passing_need_not_pass_again_and_one_lost_before_must():
    world = World().in_preflight()
    world.make_unready("2")
    world.tick()
    assert world.phase == "Waiting"
    world.make_ready("2")
    world.tick()
    assert world.phase == "Preflight"
    done(world)
    for _ in range(4):
        world.tick()
    world.make_unready("2")
    world.tick()
    assert (world.phase, world.weight_of("2")) == ("Waiting", 0)
    world.make_ready("2")
    world.tick()
    assert world.phase == "Stepping"


def test_a_preflight_that_is_taken_out_of_the_spec_holds_nothing():
    world = World().in_preflight()
    world.spec = {key: value for key, value in world.spec.items() if key != "preflight"}
    world.tick()
    world.tick()
    assert world.phase == "Stepping"
