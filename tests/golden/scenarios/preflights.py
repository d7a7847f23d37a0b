"""A golden set before any step: how it is passed, what it waits for, and how it is failed."""

from __future__ import annotations

from typing import Any

from modelrollout.core.preflight import Prober
from tests.golden.scenarios.acting import Scenario, ticks, until
from tests.unit.rollout.world import World, manifest

GOLDEN: dict[str, Any] = {"goldenSet": {"configMap": "golden", "key": "rows.npz"}, "gates": ["errors"]}


def a_golden_set_is_passed(world: World) -> None:
    world.in_preflight()
    world.tick(2)
    world.report("Waiting", message="the series must be scraped first")
    world.tick(2)
    world.report("Running", 320)
    world.tick(2)
    world.requests = 499
    world.report("Done", 500)
    world.tick(2)
    world.evaluating = False
    world.tick(2)
    world.requests, world.evaluating = 500, True
    ticks(world, 2)


def a_gate_fails_on_the_golden_set(world: World) -> None:
    world.in_preflight().verdict = "FAIL"
    ticks(world, 2)


def a_golden_set_proves_too_little(world: World) -> None:
    world.in_preflight().verdict = "NO_DATA"
    world.report("Done", 500)
    until(world, "Rejected", 200)


def a_golden_set_leans_bad(world: World) -> None:
    world.in_preflight().leaning = True
    world.report("Done", 500)
    ticks(world, 2)


def a_gate_that_must_pass_cannot_be_judged_by_the_golden_set(world: World) -> None:
    world.in_preflight(preflight=GOLDEN).required = False
    world.report("Done", 500)
    ticks(world, 2)


def a_version_answers_no_row(world: World) -> None:
    world.in_preflight().report(
        "Unanswered", 20, message="version 2 gave no answer to 20 rows in a row: it answered 500"
    )
    ticks(world, 2)


def there_is_no_prober(world: World) -> None:
    world.in_preflight().prober = Prober()
    ticks(world, 2)


def the_prober_falls_silent(world: World) -> None:
    world.in_preflight().report("Running", 250)
    ticks(world, 6)
    world.report("Running", 10)
    world.tick()


def the_prober_takes_nothing_and_then_its_reports_cannot_be_read(world: World) -> None:
    world.in_preflight()
    ticks(world, 6)
    world.prober = Prober(installed=True, problem="the API server answered 403")
    world.tick()


def a_golden_set_is_wrong_at_rest_and_in_a_rollout(world: World) -> None:
    world.spec = manifest(preflight=GOLDEN)
    world.adopted()
    world.report(
        "Refused", message="spec.preflight.goldenSet.key: it has no rows; the first axis of every array is the rows"
    )
    ticks(world, 2)
    world.report("Checked")
    world.tick()
    world.in_preflight()
    world.report("Refused", message="spec.preflight.goldenSet.labels: the set has no array 'labels'")
    ticks(world, 2)


def another_golden_set_is_asked_for_and_then_none(world: World) -> None:
    world.in_preflight()
    world.spec = world.spec | {"preflight": GOLDEN}
    world.tick()
    world.spec = {key: value for key, value in world.spec.items() if key != "preflight"}
    ticks(world, 2)


def other_weights_have_passed_no_golden_set(world: World) -> None:
    world.digest = "aa"
    world.in_preflight().report("Done", 500)
    ticks(world, 3)
    world.digest = "bb"
    ticks(world, 3)


ALL: tuple[Scenario, ...] = (
    a_golden_set_is_passed,
    a_gate_fails_on_the_golden_set,
    a_golden_set_proves_too_little,
    a_golden_set_leans_bad,
    a_gate_that_must_pass_cannot_be_judged_by_the_golden_set,
    a_version_answers_no_row,
    there_is_no_prober,
    the_prober_falls_silent,
    the_prober_takes_nothing_and_then_its_reports_cannot_be_read,
    a_golden_set_is_wrong_at_rest_and_in_a_rollout,
    another_golden_set_is_asked_for_and_then_none,
    other_weights_have_passed_no_golden_set,
)
