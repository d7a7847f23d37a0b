"""`status` in 80 columns, in colours only where somebody can see them, and the gate that decides in one line."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from modelrollout.api.crd import crd
from modelrollout.api.status import LONGEST_WARNING, MOST_GATES, Status
from modelrollout.cli.render import render
from modelrollout.core.deciding import deciding
from modelrollout.core.evaluation import GateResult
from tests.unit.cli.rollouts import NOW, gate, stepping

COLOUR = "\x1b[3"


def shown(obj: dict[str, Any], width: int = 80, **console: Any) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, **console).print(render(obj, 25, NOW))
    return file.getvalue().splitlines()


def test_in_80_columns_every_gate_has_its_figures_in_one_row_and_its_odds_below():
    lines = shown(stepping())
    assert max(map(len, lines)) <= 80
    (row,) = [line for line in lines if line.startswith("dead-neurons")]
    assert row.split()[:2] == ["dead-neurons", "dense_1"]
    assert all(part in row for part in ("CONTINUE", "77 %", "7 %", "15 %"))
    below = "  dead-neurons: 4 windows; odds 6.1:1 against the candidate (rolls back at 100:1); 3m"
    assert " ".join(below.split()) in " ".join(" ".join(lines).split())


def test_in_80_columns_the_weight_is_one_line():
    (weight,) = [line for line in shown(stepping()) if line.startswith("Weight")]
    assert "25 % desired, 25 % on the route" in weight


@pytest.mark.parametrize("width", [40, 79, 80, 119, 120, 300])
@pytest.mark.slow
def test_no_line_is_wider_than_the_terminal_and_no_verdict_is_broken(width: int):
    obj = stepping()
    long = [gate("ä" * 63, "Drift", "NOT_COMPARABLE", observed="9" * 30, layer="слой" * 20) for _ in range(MOST_GATES)]
    lines = shown(obj, width)
    obj["status"]["gates"] += long
    assert max(map(len, lines + shown(obj, width))) <= width
    assert any("NO_DATA" in line for line in lines)


def test_colours_are_shown_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    obj = stepping(phase="RolledBack", reason="GateFailed")
    assert COLOUR in "".join(shown(obj, force_terminal=True))
    assert "\x1b" not in "".join(shown(obj))
    monkeypatch.setenv("TERM", "dumb")
    assert COLOUR not in "".join(shown(obj, force_terminal=True))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    assert COLOUR not in "".join(shown(obj, force_terminal=True))


@pytest.mark.parametrize(
    ("reason", "phase", "named"),
    [
        ("GateFailed", "RolledBack", True),
        ("SamplesMissing", "Stepping", True),
        ("StepHolding", "Stepping", False),
        ("ReasonOfAnotherVersion", "RolledBack", False),
        ("ReadyDeadlineExceeded", "Rejected", True),
    ],
)
def test_status_names_the_runbook_where_there_is_something_to_do(reason: str, phase: str, named: bool):
    rejected = {"version": "2", "attempt": 1, "reason": reason, "at": "2023-11-14T22:13:20.000Z"}
    lines = shown(stepping(reason=reason, phase=phase, rejected=rejected))
    assert bool([line for line in lines if f"kubectl modelrollout explain {reason}" in line]) is named


def result(name: str, verdict: str, against: float | None = None, **more: Any) -> GateResult:
    found = GateResult(name, "ErrorRate", verdict, "", against=against, needed=4.6)  # type: ignore[arg-type]
    return replace(found, **more)


@pytest.mark.parametrize(
    ("gates", "first"),
    [
        ([result("a", "PASS"), result("b", "FAIL", 5.0)], "b FAIL"),
        ([result("a", "FAIL", 9.0, required=False), result("b", "CONTINUE", -1.0)], "b CONTINUE"),
        ([result("a", "CONTINUE", 1.0), result("b", "CONTINUE", 3.0), result("c", "NO_DATA")], "b CONTINUE"),
        ([result("a", "CONTINUE", -3.0), result("b", "NO_DATA"), result("c", "PASS", -5.0)], "b NO_DATA"),
        ([result("a", "CONTINUE", float("nan")), result("b", "PASS", float("inf"))], "a CONTINUE"),
        ([result("a", "PASS", -5.0), result("b", "PASS", 0.5)], "b PASS"),
        ([result("a", "NO_DATA", left_out=True)], ""),
        ([], ""),
    ],
)
def test_the_gate_that_decides_is_the_one_to_look_at_first(gates: list[GateResult], first: str):
    assert deciding(gates) == deciding(gates[::-1]) == first


def test_its_line_says_what_was_seen_the_limit_and_the_odds_and_fits_a_status():
    odds = "odds 6.1:1 against the candidate (rolls back at 100:1)"
    one = result("errors", "CONTINUE", 1.8, observed="0.90 %", limit="<= 1 %", evidence=odds)
    assert deciding([one]) == f"errors CONTINUE: 0.90 %, allowed <= 1 %; {odds}"
    long = deciding([replace(one, layer="слой" * 900)])
    assert len(Status(deciding=long).deciding or "") <= LONGEST_WARNING


@pytest.mark.slow
def test_kubectl_shows_it_with_o_wide():
    columns = crd()["spec"]["versions"][0]["additionalPrinterColumns"]
    assert {"name": "Gate", "type": "string", "jsonPath": ".status.deciding", "priority": 1} in columns
