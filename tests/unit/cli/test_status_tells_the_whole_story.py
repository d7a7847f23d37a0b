from __future__ import annotations

import io
from typing import Any, get_args

import pytest
from rich.console import Console

from modelrollout.api.status import Phase, Status, Verdict
from modelrollout.cli.advice import advice
from modelrollout.cli.picture import VERDICTS
from modelrollout.cli.render import _PHASES, line, render
from modelrollout.cli.words import clean, span
from tests.unit.cli.rollouts import NOW, at, stepping


def shown(obj: dict[str, Any], live: int | None = 25) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(render(obj, live, NOW))
    return console.file.getvalue()  # type: ignore[attr-defined] # it is the StringIO above


def row(text: str, title: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(title))


def test_the_header_names_phase_versions_step_and_time_left():
    text = shown(stepping())
    assert "digits (namespace vision)" in row(text, "Name")
    assert "Stepping, StepHolding" in row(text, "Phase")
    assert "stable 1" in row(text, "Weight")
    assert "2 candidate" in row(text, "Weight")
    assert "2/3 at 25 %, 2m left" in row(text, "Step")
    assert "next evaluation in 7s" in row(text, "Step")
    assert "started 18m20s ago" in row(text, "Step")
    assert "[25 %]" in row(text, "Way")


def test_why_and_what_to_do_now_stand_above_everything_that_a_short_terminal_cuts_off():
    lines = shown(stepping()).splitlines()
    assert lines[2].startswith("Why")
    assert lines[3].startswith("Now")
    assert "abort digits -n vision" in lines[3]


@pytest.mark.parametrize(("live", "cells"), [(0, 0), (1, 1), (25, 10), (100, 40), (200, 40)])
def test_the_bar_shows_the_weight_on_the_route_and_any_traffic_at_all(live: int, cells: int):
    assert row(shown(stepping(), live), "Weight").count("█") == cells


def test_without_a_candidate_the_bar_says_who_has_all_traffic_or_that_somebody_else_has_some():
    serving = stepping(phase="Serving", candidate=None, step=None, rollout=None)
    assert "stable 1, all traffic" in row(shown(serving, live=0), "Weight")
    assert "30 % of the route goes elsewhere" in row(shown(serving, live=30), "Weight")


def test_the_weight_on_the_route_stands_beside_the_desired_one():
    assert "25 % desired, 20 % on the route" in row(shown(stepping(), live=20), "Weight")


def test_an_unreadable_route_shows_what_was_read_last_and_says_so():
    assert "25 % on the route when last read" in row(shown(stepping(), live=None), "Weight")
    unknown = stepping(weight={"desired": 25})
    assert "the route is unknown" in row(shown(unknown, live=None), "Weight")


def test_every_gate_shows_its_numbers_and_one_without_numbers_its_sentence():
    text = shown(stepping())
    assert " ".join(row(text, "errors").split()) == "errors ✔ PASS 0.10 % 0.12 % 1 % 17,100 - -"
    assert "dense_1" in row(text, "dead-neurons")
    assert "no series yet" in text


def test_a_failed_gate_says_why_in_full():
    obj = stepping()
    obj["status"]["gates"][1]["verdict"] = "FAIL"
    assert "77 % of units never fired" in shown(obj)


def test_a_gate_that_never_decides_is_marked():
    obj = stepping()
    obj["status"]["gates"][0]["required"] = False
    assert "errors (reported)" in shown(obj)


def test_the_history_tells_the_last_result_with_its_reason_newest_first():
    obj = stepping()
    obj["status"]["history"].append({**obj["status"]["history"][0], "result": "Promoted", "message": "all passed"})
    text = shown(obj)
    assert text.index("Promoted") < text.index("RolledBack")
    assert "2h1m ago  11m40s" in text
    assert "errors: 3.1 % above 1 %" in text


def test_a_bake_shows_the_time_left_in_it():
    obj = stepping(phase="Baking", step={"index": 3, "weight": 100, "startedAt": at(-60)})
    obj["status"]["rollout"]["bakeStartedAt"] = at(-60)
    assert "bake at 100 %, 14m left" in row(shown(obj, live=100), "Step")


def test_a_fresh_resource_without_status_can_be_shown():
    obj = stepping()
    del obj["status"]
    assert "Adopting" in shown(obj, live=None)


def test_a_resource_with_an_invalid_spec_can_be_shown():
    obj = stepping(reason="InvalidSpec", message="spec.model.version is 5")
    obj["spec"] = {"model": 5}
    text = shown(obj)
    assert "kubectl modelrollout lint" in text
    assert "spec.model.version is 5" in text


def test_a_status_from_another_version_still_says_what_it_can():
    obj = stepping(phase="Levitating")
    assert "phase Levitating" in shown(obj)
    assert "cannot be read" in line(obj, None)


@pytest.mark.parametrize("evil", ["[red]x[/red]", "\x1b[31mred\x1b[0m", "two\nlines", "[/nope]"])
def test_text_from_the_cluster_is_never_markup_nor_escapes(evil: str):
    obj = stepping(message=evil)
    obj["status"]["gates"][0]["observed"] = evil
    text = shown(obj)
    assert "\x1b" not in text
    assert clean(evil) in row(text, "Why")


def test_a_step_that_was_lost_is_not_shown_as_running():
    lost = stepping()
    lost["status"] |= {"phase": "Waiting", "weight": {"desired": 0, "observed": 0}}
    assert "2/3 at 25 % again, once the candidate is ready" in row(shown(lost, 0), "Step")


def test_one_line_says_phase_versions_weights_and_gates():
    text = line(stepping(), 20)
    assert text.startswith("Stepping (StepHolding) 1 -> 2 weight 25 % desired, 20 % on the route; ")
    assert text.endswith("[errors=PASS dead-neurons=CONTINUE latency=NO_DATA]")


def test_every_phase_and_every_verdict_has_its_sign():
    assert set(_PHASES) == set(get_args(Phase))
    assert set(VERDICTS) == set(get_args(Verdict))


def verbs_in(text: str) -> list[str]:
    return [word.split()[2] for word in text.split("`") if word.startswith("kubectl")]


def made(phase: Phase, **more: Any) -> Status:
    return Status.model_construct(phase=phase, stable="1", **more)


@pytest.mark.parametrize(
    ("phase", "verbs"),
    [
        ("AwaitingApproval", ["approve", "abort"]),
        ("Inconclusive", ["resume", "promote", "abort"]),
        ("Stepping", ["abort"]),
        ("Baking", ["abort"]),
        ("RolledBack", ["retry"]),
        ("Rejected", ["retry"]),
    ],
)
def test_the_advice_names_the_commands_that_apply(phase: Phase, verbs: list[str]):
    text = advice(made(phase), "vision", "digits")
    assert verbs_in(text) == verbs
    assert "-n vision" in text


def test_a_pause_is_ended_where_it_was_begun():
    assert "spec.paused" in advice(made("Stepping"), "vision", "digits", paused_in_spec=True)
    assert verbs_in(advice(made("Stepping", paused=True), "vision", "digits")) == ["resume", "abort"]


@pytest.mark.parametrize(("phase", "verb"), [("AwaitingApproval", "approve"), ("Inconclusive", "promote")])
def test_a_pause_does_not_hide_what_is_asked(phase: Phase, verb: str):
    for told in (
        advice(made(phase), "vision", "digits", paused_in_spec=True),
        advice(made(phase, paused=True), "vision", "digits"),
    ):
        assert "Paused by" in told
        assert verb in verbs_in(told)


@pytest.mark.parametrize(
    ("reason", "phase", "verbs", "says"),
    [
        ("InvalidSpec", "Stepping", ["lint", "abort"], "Mend the manifest"),
        ("InvalidSpec", "Serving", ["lint"], "Mend the manifest"),
        ("BreachHeld", "Stepping", ["abort", "promote"], "onBreach is Pause"),
        ("BreachHeld", "AwaitingApproval", ["abort", "promote"], "onBreach is Pause"),
        ("BreachHeld", "Waiting", ["abort"], "onBreach is Pause"),
        ("RouteRejected", "Serving", [], "what the gateway says"),
        ("RouteRejected", "RolledBack", [], "what the gateway says"),
        ("RouteNotWritten", "Stepping", [], "rights on HTTPRoutes"),
        ("ModelNameChanged", "Stepping", [], "Put spec.model.name back"),
        ("RouteUnclear", "Adopting", [], "Annotate the route"),
        ("MetricsUnavailable", "Stepping", ["abort"], "Prometheus"),
        ("WeightLowered", "Stepping", ["resume", "abort"], "Raise it again"),
        ("ServingChangePending", "Serving", [], "Service and port"),
    ],
)
def test_what_stands_in_the_way_is_what_the_advice_is_about(reason: str, phase: Phase, verbs: list[str], says: str):
    text = advice(made(phase, reason=reason), "vision", "digits")
    assert says in text
    assert verbs_in(text) == verbs


@pytest.mark.parametrize("phase", ["Serving", "RolledBack", "Rejected"])
def test_outside_a_rollout_nobody_is_told_to_end_a_pause(phase: Phase):
    told = advice(made(phase, paused=True), "vision", "digits", paused_in_spec=True)
    assert "aused" not in told


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-5, "0s"), (0.4, "0s"), (45, "45s"), (200, "3m20s"), (7501, "2h5m"), (345600, "4d")],
)
def test_spans_have_at_most_two_units(seconds: float, text: str):
    assert span(seconds) == text
