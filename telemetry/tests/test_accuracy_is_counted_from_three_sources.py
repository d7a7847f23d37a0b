"""Late labels, a golden set and agreement with stable end in counts; every loss has a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from series_reading import Clock, value_of

from activation_health import GoldenSet, LabelJoiner, Monitor

TOTAL, CORRECT, LOST = "model_eval_total", "model_eval_correct_total", "model_eval_lost_total"


def joined(**options) -> tuple[Monitor, LabelJoiner, Clock]:
    monitor, clock = Monitor("m", "1"), Clock()
    return monitor, LabelJoiner(monitor.evals, clock=clock, **options), clock


def test_a_late_label_meets_its_answer_by_request_id() -> None:
    monitor, joiner, clock = joined(ttl=60)
    joiner.answered("a", [1, 2, 3])
    joiner.answered("b", 7)
    clock.now += 59
    assert joiner.labelled("b", 7)
    assert joiner.labelled("a", [1, 9, 3])
    assert value_of(monitor, TOTAL, "labels") == 4
    assert value_of(monitor, CORRECT, "labels") == 3


def test_an_answer_that_waited_too_long_is_expired_and_its_label_unmatched() -> None:
    monitor, joiner, clock = joined(ttl=60)
    joiner.answered("a", 1)
    clock.now += 61
    assert not joiner.labelled("a", 1)
    assert value_of(monitor, TOTAL, "labels") == 0
    assert value_of(monitor, LOST, "expired") == 1
    assert value_of(monitor, LOST, "unmatched") == 1


def test_a_label_counts_once() -> None:
    monitor, joiner, _ = joined()
    joiner.answered("a", 1)
    assert joiner.labelled("a", 1)
    assert not joiner.labelled("a", 1)
    assert value_of(monitor, TOTAL, "labels") == 1


def test_the_oldest_answer_makes_room_and_is_counted_as_evicted() -> None:
    monitor, joiner, _ = joined(capacity=2)
    for key in ("a", "b", "c"):
        joiner.answered(key, 1)
    assert value_of(monitor, LOST, "evicted") == 1
    assert not joiner.labelled("a", 1)
    assert joiner.labelled("c", 1)


def test_a_retried_request_is_judged_by_its_last_answer() -> None:
    monitor, joiner, _ = joined()
    joiner.answered("a", 1)
    joiner.answered("a", 2)
    assert joiner.labelled("a", 2)
    assert value_of(monitor, CORRECT, "labels") == 1
    assert len(joiner) == 0


def test_a_label_of_another_shape_is_lost_and_not_wrong() -> None:
    monitor, joiner, _ = joined()
    joiner.answered("a", [1, 2])
    joiner.labelled("a", [1])
    assert value_of(monitor, TOTAL, "labels") == 0
    assert value_of(monitor, LOST, "mismatched") == 2


def test_an_answer_changed_by_its_owner_afterwards_stays_what_it_was() -> None:
    monitor, joiner, _ = joined()
    answer = np.array([1, 2])
    joiner.answered("a", answer)
    answer[:] = 0
    joiner.labelled("a", [1, 2])
    assert value_of(monitor, CORRECT, "labels") == 2


@pytest.mark.parametrize("key", ["", None, 5, b"a", ["a"]])
def test_a_request_without_an_id_is_lost_and_costs_no_answer(key: Any) -> None:
    monitor, joiner, _ = joined()
    joiner.answered(key, 1)
    assert joiner.labelled(key, 1) is False
    assert (len(joiner), value_of(monitor, LOST, "unmatched")) == (0, 2)


def test_long_ids_are_told_apart_to_their_last_character() -> None:
    monitor, joiner, _ = joined()
    for number in range(3):
        joiner.answered("\ud800" * 10_000 + str(number), [number])
    joiner.labelled("\ud800" * 10_000 + "1", [1])
    assert (value_of(monitor, CORRECT, "labels"), len(joiner)) == (1, 2)


def test_a_golden_set_is_replayed_in_batches() -> None:
    monitor = Monitor("m", "1")
    golden = GoldenSet(np.arange(10)[:, None], np.arange(10) % 3)
    seen = []

    def predict(rows: np.ndarray) -> np.ndarray:
        seen.append(len(rows))
        return np.where(rows[:, 0] == 4, 99, rows[:, 0] % 3)

    assert golden.replay(predict, monitor.evals, batch=4) == 0
    assert seen == [4, 4, 2]
    assert value_of(monitor, TOTAL, "golden") == 10
    assert value_of(monitor, CORRECT, "golden") == 9


def test_a_golden_row_without_an_answer_is_unanswered_and_not_wrong() -> None:
    monitor = Monitor("m", "1")
    golden = GoldenSet(np.arange(4)[:, None], np.zeros(4))

    def predict(rows: np.ndarray) -> np.ndarray:
        if rows[0, 0] == 0:
            raise TimeoutError
        return np.zeros(len(rows))

    assert golden.replay(predict, monitor.evals, batch=2) == 2
    assert value_of(monitor, TOTAL, "golden") == 2
    assert value_of(monitor, LOST, "unanswered") == 2


@pytest.mark.parametrize("expected", [[1, 2], [], [[1, 2, 3]]])
def test_a_golden_set_that_does_not_fit_its_answers_is_refused(expected: list) -> None:
    with pytest.raises(ValueError, match="one expected class for each"):
        GoldenSet(np.zeros((3, 2)), expected)


def test_agreement_with_stable_is_counted_as_shadow() -> None:
    monitor = Monitor("m", "2")
    monitor.evals.compare("shadow", np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4]))
    assert value_of(monitor, TOTAL, "shadow") == 4
    assert value_of(monitor, CORRECT, "shadow") == 3


@pytest.mark.parametrize(
    ("source", "correct", "total", "named"),
    [
        ("guess", 1, 1, "'guess' is unknown"),
        ("labels", 2, 1, "correct=2"),
        ("labels", -1, 1, "correct=-1"),
        ("labels", 0.5, 1, "float"),
        ("labels", 1, float("inf"), "float"),
        ("labels", "1", 1, "str"),
        ("labels", None, None, "NoneType"),
        ("labels", np.array([1, 2]), 5, ""),
    ],
)
def test_impossible_counts_are_counted_as_dropped(source: str, correct: Any, total: Any, named: str) -> None:
    monitor = Monitor("m", "1")
    monitor.judged(source, correct=correct, total=total)
    assert named in monitor.last_refusal
    assert value_of(monitor, "model_activation_dropped_observations_total", "internal") == 1
    assert value_of(monitor, TOTAL, "labels") == 0
