"""What judges chaos must itself be able to say no: each rule broken by hand in a recorded history is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.chaos.rules import Record, Rollout, breaches
from tests.lab import Answer, Weights

STEPS = [(20, 3.0), (50, 3.0)]
PATH = [(0.5, 0), (2.0, 20), (6.0, 50), (10.0, 100)]


def route(path: list[tuple[float, int]], stable: str = "digits-v1") -> list[Weights]:
    return [Weights(at, {stable: 100 - weight, "digits-v2": weight}, 1) for at, weight in path]


def statuses(weight: int = 0, reason: str = "Promoted") -> list[tuple[float, dict[str, Any]]]:
    return [(14.0, {"phase": "Serving", "reason": reason, "message": "so", "weight": {"observed": weight}})]


def record(path: list[tuple[float, int]] = PATH, answers: list[Answer] | None = None, **changes: Any) -> Record:
    made = Rollout(1, 2, good=True, began=0.0, end=14.0, result="Promoted", steps=STEPS)
    return Record(replace(made, **changes), route(path), answers or [], statuses())


def answer(at: float, version: str = "1", status: int = 200) -> Answer:
    return Answer(at, 0.01, status, version)


ROLLED_BACK: list[tuple[float, int]] = [(0.5, 0), (2.0, 20), (5.0, 0)]


def test_a_rollout_as_it_should_be_breaks_no_rule():
    assert breaches(record(answers=[answer(1.0), answer(3.0, "2")])) == []
    assert breaches(record(ROLLED_BACK, good=False, result="RolledBack")) == []
    assert breaches(record(ROLLED_BACK, result="Aborted", aborted_at=4.0)) == []
    late = record(ROLLED_BACK, result="RolledBack", reason="DeadlineExceeded")
    assert breaches(replace(late, unready=[(3.0, 4.0)])) == []
    again = [*ROLLED_BACK, (7.0, 20), (10.5, 50), (14.0, 100)]
    assert breaches(record(again)) == []


@pytest.mark.alike(5)
@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (record([*PATH[:2], (6.0, 35), *PATH[2:]]), "weight 35 is no step"),
        (record([PATH[0], (2.0, 50), (10.0, 100)]), "raised from 0 to 50, a step was left out"),
        (record([*PATH[:2], (4.0, 50), PATH[3]]), "20 % was held for 2.00 s instead of 3 s"),
        (record(good=False), "a bad version was promoted"),
        (record(PATH[:3]), "promoted, and the route gives it 50 %"),
        (record(ROLLED_BACK, result="RolledBack"), "a good version was rolled back"),
        (record(ROLLED_BACK, good=False, result="RolledBack", reason="DeadlineExceeded"), "nothing was proven"),
        (record(PATH[:2], good=False, result="RolledBack"), "still gives it 20 %"),
        (record(ROLLED_BACK, result=""), "no end after 14 s"),
        (record(ROLLED_BACK, result="Aborted"), "nobody asked"),
        (record([*PATH[:2], (13.0, 0)], result="Aborted", aborted_at=4.0), "abort took 9.0 s"),
        (record(ROLLED_BACK, [answer(13.0, "2")], good=False, result="RolledBack"), "answered at weight 0"),
        (record(answers=[answer(3.0, "", 503)]), "a request failed (503) with every server up"),
        (replace(record(), route=[Weights(2.0, {"digits-v2": 20}, 1)]), "add up to 20"),
        (replace(record(), statuses=statuses(reason="")), "without reason"),
        (replace(record(), statuses=statuses(35)), "status says 35 %"),
    ],
)
def test_a_broken_rule_is_found_and_reported_with_its_numbers(broken: Record, sentence: str):
    assert any(sentence in found for found in breaches(broken)), breaches(broken)
