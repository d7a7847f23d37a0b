from __future__ import annotations

import io
from typing import Any, get_args

import pytest
from rich.console import Console

from modelrollout.api.status import Phase, Status, Verdict
from modelrollout.cli.advice import advice
from modelrollout.cli.picture import VERDICTS
from modelrollout.cli.printing import clean
from modelrollout.cli.render import _PHASES, line, render
from modelrollout.cli.words import span
from tests.unit.cli.rollouts import NOW, stepping


def shown(obj: dict[str, Any], live: int | None = 25) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(render(obj, live, NOW))
    return console.file.getvalue()  # type: ignore[attr-defined] # it is the StringIO above


def row(text: str, title: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(title))


def test_why_and_what_to_do_now_stand_above_everything_that_a_short_terminal_cuts_off():
    lines = shown(stepping()).splitlines()
    assert lines[2].startswith("Why")
    assert lines[3].startswith("Now")


@pytest.mark.parametrize(("live", "cells"), [(0, 0), (1, 1), (25, 10), (100, 40), (200, 40)])
def test_the_bar_shows_the_weight_on_the_route_and_any_traffic_at_all(live: int, cells: int):
    assert row(shown(stepping(), live), "Weight").count("█") == cells


def test_a_failed_gate_says_why_in_full():
    obj = stepping()
    obj["status"]["gates"][1]["verdict"] = "FAIL"
    assert obj["status"]["gates"][1]["message"] in shown(obj)


def test_the_history_shows_the_last_result_first():
    obj = stepping()
    obj["status"]["history"].append({**obj["status"]["history"][0], "result": "Promoted", "message": "all passed"})
    text = shown(obj)
    assert text.index("Promoted") < text.index("RolledBack")


def test_a_resource_with_an_invalid_spec_can_be_shown():
    obj = stepping(reason="InvalidSpec", message="spec.model.version is 5")
    obj["spec"] = {"model": 5}
    assert obj["status"]["message"] in shown(obj)


def test_warnings_stand_under_the_gates_in_full():
    text = shown(stepping(warnings=["the buckets are too coarse", "a share far from the weight"]))
    gates, first, second = (text.index(part) for part in ("latency", "too coarse", "far from"))
    assert gates < first < second < text.index("Recent")


def test_a_line_for_pipes_only_counts_the_warnings_whose_figures_change_all_the_time():
    one, other = (line(stepping(warnings=[f"{share} % of the requests"]), 25) for share in (16.6, 16.7))
    assert one == other != line(stepping(), 25)


@pytest.mark.parametrize("evil", ["[red]x[/red]", "\x1b[31mred\x1b[0m", "two\nlines", "[/nope]"])
def test_text_from_the_cluster_is_never_markup_nor_escapes(evil: str):
    obj = stepping(message=evil)
    obj["status"]["gates"][0]["observed"] = evil
    text = shown(obj)
    assert "\x1b" not in text
    assert clean(evil) in row(text, "Why").replace("\N{REPLACEMENT CHARACTER}", " ")


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
    assert verbs_in(advice(made(phase), "vision", "digits")) == verbs


def test_a_pause_by_command_is_ended_by_command():
    assert verbs_in(advice(made("Stepping", paused=True), "vision", "digits")) == ["resume", "abort"]


@pytest.mark.parametrize(("phase", "verb"), [("AwaitingApproval", "approve"), ("Inconclusive", "promote")])
def test_a_pause_does_not_hide_what_is_asked(phase: Phase, verb: str):
    for text in (
        advice(made(phase), "vision", "digits", paused_in_spec=True),
        advice(made(phase, paused=True), "vision", "digits"),
    ):
        assert verb in verbs_in(text)


@pytest.mark.parametrize(
    ("reason", "phase", "verbs"),
    [
        ("InvalidSpec", "Stepping", ["lint", "abort"]),
        ("InvalidSpec", "Serving", ["lint"]),
        ("BreachHeld", "Stepping", ["abort", "promote"]),
        ("BreachHeld", "AwaitingApproval", ["abort", "promote"]),
        ("BreachHeld", "Waiting", ["abort"]),
        ("RouteRejected", "Serving", []),
        ("RouteRejected", "RolledBack", []),
        ("RouteNotWritten", "Stepping", []),
        ("ModelNameChanged", "Stepping", []),
        ("RouteUnclear", "Adopting", []),
        ("MetricsUnavailable", "Stepping", ["abort"]),
        ("WeightLowered", "Stepping", ["resume", "abort"]),
        ("ServingChangePending", "Serving", []),
    ],
)
def test_the_commands_that_help_against_what_stands_in_the_way_are_named(reason: str, phase: Phase, verbs: list[str]):
    assert verbs_in(advice(made(phase, reason=reason), "vision", "digits")) == verbs


@pytest.mark.parametrize("phase", ["Serving", "RolledBack", "Rejected"])
def test_outside_a_rollout_no_advice_is_about_a_pause(phase: Phase):
    usual = advice(made(phase), "vision", "digits")
    assert advice(made(phase, paused=True), "vision", "digits", paused_in_spec=True) == usual


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-5, "0s"), (0.4, "0s"), (45, "45s"), (200, "3m20s"), (7501, "2h5m"), (345600, "4d")],
)
def test_spans_have_at_most_two_units(seconds: float, text: str):
    assert span(seconds) == text


def test_a_gate_that_is_left_out_says_so_and_why():
    obj = stepping()
    left = {"name": "drift", "type": "Drift", "verdict": "NO_DATA", "required": False, "leftOut": True}
    obj["status"]["gates"].append(left | {"message": "NotExported: stable exports no histogram"})
    text = shown(obj)
    assert "drift (left out)" in text
    assert "drift: NotExported: stable exports no histogram" in text
