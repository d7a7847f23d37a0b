"""Sums over processes, as recording rules write them, have no instance: one that falls was left, not reset."""

from __future__ import annotations

import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.blocks.running import Running
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from tests.unit.analysis.metrics.counting import EVERY, GRID, READER, Points, counter, grown, line, without

LEFT = {"a process leaves": [(1100.0, -40_000.0)], "two do": [(1100.0, -40_000.0), (1150.0, -30_000.0)]}
BACK = {
    "it is back at the next scrape": [(1100.0, -40_000.0), (1105.0, 40_000.0)],
    "it is back after some scrapes": [(1100.0, -40_000.0), (1140.0, 40_000.0)],
    "two are back one by one": [(1100.0, -40_000.0), (1110.0, -30_000.0), (1140.0, 30_000.0), (1160.0, 40_000.0)],
    "it had counted little": [(1100.0, -300.0), (1140.0, 300.0)],
}
STEPS: dict[str, list[tuple[float, float]]] = {**LEFT, **BACK}
REQUESTS, ERRORS = 20.0, 2.0
"""Growth between two scrapes."""


def moved(points: Points, steps: list[tuple[float, float]], share: float = 1.0) -> Points:
    return [(at, value + share * sum(step for since, step in steps if since <= at)) for at, value in points]


def sums(steps: list[tuple[float, float]], errors: float = 0.0) -> list[Series]:
    """Requests of all processes, and errors of which those that leave had counted so many times what they had."""
    of = {
        s.SUCCESS: moved(line(1000, 1300, 100_000, REQUESTS), steps),
        s.FAILURE: moved(line(1000, 1300, 10_000, ERRORS), steps, errors),
    }
    return [without(counter(points, metric), "job", "instance", "pod") for metric, points in of.items()]


@pytest.mark.parametrize("errors", [0.0, 0.1])
@pytest.mark.parametrize("sentence", STEPS)
def test_what_is_left_was_counted_before_where(sentence, errors):
    steps = STEPS[sentence]
    series, at_most = sums(steps, errors), 60.0
    for metric, each in ((s.SUCCESS, REQUESTS), (s.FAILURE, ERRORS)):
        assert at_most * each - len(steps) * each <= grown(*series, metric=metric) <= at_most * each, sentence


def test_a_histogram_is_left_as_a_whole():
    def bucket(le: str, start: float, growth: float, share: float) -> Series:
        points = moved(line(1000, 1300, start, growth), LEFT["a process leaves"], share)
        return without(counter(points, s.DURATION, le=le), "job", "instance", "pod")

    table = [bucket("0.5", 90_000, 18, 0.9), bucket("1", 99_900, 19, 0.9999), bucket("+Inf", 100_000, 20, 1)]
    assert grown(*table, metric=s.DURATION) == 59 * (18 + 19 + 20)


@pytest.mark.parametrize("after", [0.0, 3.0, REQUESTS])
def test_a_sum_that_begins_again_counts_from_0(after):
    points = [*line(1000, 1100, 100_000, REQUESTS), *line(1105, 1300, after, REQUESTS)]
    series = without(counter(points, s.SUCCESS), "job", "instance", "pod")
    assert grown(series, metric=s.SUCCESS) == 59 * REQUESTS + after


def test_a_process_that_falls_has_begun_again():
    points = [*line(1000, 1100, 100_000, REQUESTS), *line(1105, 1300, 60_000, REQUESTS)]
    assert grown(counter(points, s.SUCCESS), metric=s.SUCCESS) == 59 * REQUESTS + 60_000


def test_one_that_is_no_number_stands_for_none_that_left():
    points = line(1000, 1300, 100_000, REQUESTS)
    points[20] = points[20][0], float("nan")
    series = without(counter(moved(points, LEFT["a process leaves"]), s.SUCCESS), "job", "instance", "pod")
    assert grown(series, metric=s.SUCCESS) == 59 * REQUESTS - REQUESTS


@pytest.mark.parametrize("sentence", STEPS)
@pytest.mark.slow
def test_a_running_process_reads_them_as_a_new_one_does(sentence):
    series, running, store = sums(STEPS[sentence], 0.1), Running(), SampleStore()
    for end in range(1000, 1320, 15):
        store = store.replaced(series, end - 60.0, float(end)) if end > 1000 else store.replaced(series, 0.0, 1000.0)
        kept = make_tick_table([store], READER, GRID, EVERY, running)
        fresh = make_tick_table([store], READER, GRID, EVERY)
        assert {key: list(kept.growth[key]) for key in kept.growth} == {
            key: list(fresh.growth[key]) for key in fresh.growth
        }
