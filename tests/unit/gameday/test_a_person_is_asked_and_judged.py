"""A person is asked within 80 columns, any answer is taken, and leaving is always possible."""

from __future__ import annotations

import argparse
import io
import random
from types import SimpleNamespace
from typing import Any

import pytest

from modelrollout.cli.runbooks import sections
from tests.e2e.gameday import game
from tests.e2e.gameday.cases import BEST, CASES, NAMES, Case
from tests.e2e.gameday.desk import WIDTH, Desk, Left, link


def desk(answers: str, machine: str = "") -> Desk:
    return Desk(io.StringIO(answers), random.Random(1), machine)


def numbers(case: Case, seed: int = 1) -> dict[int, str]:
    """Points by the number that is typed, in the order of that seed."""
    choices = list(case.choices)
    random.Random(seed).shuffle(choices)
    return {choice.points: str(number) for number, choice in enumerate(choices, 1)}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_each_fault_has_one_best_answer_a_worst_one_and_a_runbook(case: Case):
    points = sorted(choice.points for choice in case.choices)
    assert points.count(BEST) == 1
    assert points[0] == 0
    assert case.section in sections()
    assert link(case) == f"docs/runbooks/{sections()[case.section][0]}.md#{case.section.lower()}"
    assert (case.strike is None) == bool(case.version), "either the version is the fault, or something strikes"


def test_nonsense_is_asked_again_and_the_runbook_costs_nothing(capsys: pytest.CaptureFixture[str]):
    best = numbers(CASES[0])[BEST]
    told = desk(f"9\nwhat?\n?\n{best}\n")
    choice = told.ask(CASES[0])
    told.judge(CASES[0], choice)
    assert told.score() == (2, 2)
    shown = capsys.readouterr().out
    assert shown.count("Type a number from 1 to 3") == 2
    assert sections()["MetricsUnavailable"][1].splitlines()[0][:40] in shown
    assert "Read: docs/runbooks/held.md#metricsunavailable" in shown
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_a_worse_answer_is_to_be_read_again(capsys: pytest.CaptureFixture[str]):
    told = desk(f"{numbers(CASES[1])[0]}\n")
    told.judge(CASES[1], told.ask(CASES[1]))
    assert told.score() == (0, 2)
    assert "Read again: docs/runbooks/progress.md#candidatelost" in capsys.readouterr().out


@pytest.mark.parametrize("answers", ["", "q\n", "5\nQ\n"])
def test_one_may_go_home_at_any_time(answers: str):
    with pytest.raises(Left):
        desk(answers).ask(CASES[0])


def test_the_machine_answers_as_it_is_told():
    told = desk("", "best")
    assert [told.ask(case).points for case in CASES] == [BEST] * len(CASES)


def test_there_are_no_colours_without_a_terminal_nor_where_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name, value in (("NO_COLOR", "1"), ("FORCE_COLOR", None), ("TERM", "xterm")):
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    desk("").head("a fault")
    assert "\x1b" not in capsys.readouterr().out


def test_faults_are_chosen_by_name_and_shuffled_by_the_seed():
    assert [case.name for case in game.chosen("nan, killed,nan")] == ["nan", "killed"]
    with pytest.raises(argparse.ArgumentTypeError, match="'nam' is no fault: choose among prometheus, killed"):
        game.chosen("nan,nam")
    assert game.shuffled(desk("")) == game.shuffled(desk(""))


@pytest.mark.slow
def test_control_c_stops_what_was_started_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stopped: list[str] = []

    class Lab:
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            stopped.append("lab")

        @property
        def member(self) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setattr(game, "lab", SimpleNamespace(Lab=Lab, say=print))
    assert game._interruptible(desk(""), CASES) == game.INTERRUPTED
    assert "interrupted: stopping everything that was started" in capsys.readouterr().out
    assert stopped == ["lab"]
