"""A series that takes over from its twin has not begun at 0; what truly begins at 0 counts from its start."""

from __future__ import annotations

import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import Series
from tests.unit.analysis.metrics.counting import BUSY, EVERY, counter, grown, line, table_of, without

RELABELLED = {
    "a label is added": counter(line(1055, 1100, 3010), team="vision"),
    "a label is removed": without(counter(line(1055, 1100, 3010)), "pod"),
    "a label is renamed": without(counter(line(1055, 1100, 3010), pod_name="a"), "pod"),
    "a label has another value": counter(line(1055, 1100, 3010), pod="digits-a"),
    "every free label has another value": counter(line(1055, 1100, 3010), pod="b", zone="z"),
    "the scrape job is renamed": counter(line(1055, 1100, 3010), job="models"),
    "the port has moved": counter(line(1055, 1100, 3010), instance="10.0.0.1:9000"),
    "job and port have moved": counter(line(1055, 1100, 3010), job="models", instance="10.0.0.1:9000"),
    "some scrapes were missed meanwhile": counter(line(1075, 1100, 3010), team="vision"),
    "both are there for some scrapes": counter(line(1045, 1100, 3010), team="vision"),
    "both are there, scraped at other times": counter(line(1042, 1100, 3010), team="vision"),
}


@pytest.mark.parametrize("sentence", RELABELLED)
def test_growth_across_is_the_difference_where(sentence):
    before = counter([*line(1000, 1035, 3000), *line(1040, 1050, 3010)])
    assert grown(BUSY, before, RELABELLED[sentence]) == 10, sentence


def test_a_federation_that_adds_a_label_to_many_pods_at_once_counts_none_twice():
    def pods(first: float, last: float, growth: float, start: float, **labels: str) -> list[Series]:
        return [
            counter(line(first, last, start + 1000 * n, growth), s.SUCCESS, pod=f"p{n}", instance="global", **labels)
            for n in range(20)
        ]

    series = [*pods(1000, 1050, 7, 500), *pods(1055, 1100, 7, 577, cluster="eu")]
    assert grown(*series, metric=s.SUCCESS) == 20 * 20 * 7


def test_pod_after_pod_is_relabelled():
    series = []
    for pod, at in enumerate((1050, 1080, 1110)):
        own = {"instance": f"10.0.0.{pod}:8000", "pod": f"p{pod}"}
        for metric, start, growth in ((s.SUCCESS, 2000, 7), (s.FAILURE, 1000, 0)):
            series.append(counter(line(1000, at, start, growth), metric, **own))
            after = start + growth * ((at - 1000) / EVERY + 1)
            series.append(counter(line(at + EVERY, 1200, after, growth), metric, **own, team="vision"))
    assert grown(*series) == 0
    assert grown(*series, metric=s.SUCCESS) == 3 * 7 * 40


def test_a_name_that_comes_back_continues_what_the_counter_was_called_meanwhile():
    there = counter([*line(1000, 1050, 3000), *line(1155, 1200, 3030)])
    assert grown(BUSY, there, counter(line(1055, 1150, 3020), team="vision")) == 30


def test_a_histogram_continues_as_a_whole_and_in_another_spelling():
    def buckets(first: float, last: float, start: float, one: str, **labels: str) -> list[Series]:
        fast = counter(line(first, last, start, 5), s.DURATION, le=one, **labels)
        return [fast, counter(line(first, last, 2 * start, 10), s.DURATION, le="+Inf", **labels)]

    series = [*buckets(1000, 1050, 5000, "1"), *buckets(1055, 1100, 5055, "1.0", team="vision")]
    table = table_of(*series)
    assert table.total(s.DURATION, "candidate", details=["1"]).sum() == 100
    assert table.total(s.DURATION, "candidate", details=["+Inf"]).sum() == 200


def test_a_name_that_comes_back_continues_a_counter_that_stood_still():
    there = counter([*line(1000, 1050, 3), *line(1155, 1200, 3)])
    assert grown(BUSY, there, counter(line(1055, 1150, 3), team="vision")) == 0


@pytest.mark.parametrize("moved", [{"job": "models"}, {"instance": "10.0.0.1:9000"}])
def test_growth_across_a_move_counts(moved):
    assert grown(BUSY, counter(line(1000, 1050, 3000, 1)), counter(line(1055, 1100, 3012, 1), **moved)) == 21


def test_any_number_of_names_that_were_scraped_once_are_one_counter():
    names: list[dict[str, str]] = [{"team": "a"}, {"zone": "z"}, {"team": "a", "zone": "z"}, {"job": "models"}, {}]
    series = [counter([(1055 + EVERY * n, 12.0 + n)], **labels) for n, labels in enumerate(names)]
    assert grown(BUSY, counter(line(1000, 1050, 1, 1)), *series) == 15


def test_a_burst_at_a_new_name_is_not_counted_again_at_the_next_port():
    series = [
        counter(line(1000, 1050, 1000, 50), s.SUCCESS),
        counter([(1055, 2100), (1060, 2150)], s.SUCCESS, team="vision"),
        counter([(1065, 2200)], s.SUCCESS, instance="10.0.0.1:9000"),
    ]
    assert grown(*series, metric=s.SUCCESS) == 500 + 50


def test_of_pods_in_one_federation_each_continues_its_own():
    def pod(n: int, first: float, last: float, start: float, **labels: str) -> Series:
        own = {"instance": "global", "pod": f"p{n}", **labels}
        return counter([(at + 0.5 * n, value) for at, value in line(first, last, start)], **own)

    before, after = [pod(n, 1000, 1050, 3) for n in range(4)], [pod(n, 1055, 1100, 3, zone="z") for n in range(4)]
    assert grown(*before, *after) == 0


def test_of_two_that_begin_where_one_ends_only_one_continues_it():
    two = [counter(line(1055, 1100, start), method=method) for start, method in ((110, "get"), (105, "post"))]
    assert grown(BUSY, counter(line(1000, 1050, 100)), *two) == 5 + 110


def test_a_series_far_above_its_twin_is_another_counter():
    assert grown(BUSY, counter(line(1000, 1050, 3000)), counter(line(1055, 1100, 900_000, 1), team="vision")) == 9


@pytest.mark.slow
def test_more_ends_and_starts_than_can_be_compared_are_matched_by_value():
    before = [counter(line(1000, 1050, 40 * n, 2), pod=f"p{n}") for n in range(150)]
    after = [counter(line(1055, 1100, 40 * n + 22, 2), pod=f"p{n}", team="vision") for n in range(150)]
    assert grown(*before, *after) == 150 * 40


# What truly begins at 0


def test_a_restart_under_a_new_label_counts_from_its_start():
    assert grown(BUSY, counter(line(1000, 1050, 3000)), counter(line(1055, 1100, 8), container="new")) == 8


def test_a_restart_that_one_counter_hides_is_seen_in_another():
    series = [counter(line(1000, 1050, 3000, 50), s.SUCCESS), counter(line(1000, 1050, 2))]
    series += [counter(line(1055, 1100, 9, 50), s.SUCCESS, team="b"), counter(line(1055, 1100, 4), team="b")]
    assert grown(*series) == 4
    assert grown(*series, metric=s.SUCCESS) == 500 + 9 + 450


def test_a_counter_that_appears_with_one_that_has_lived_has_lived_too():
    series = [counter(line(1055, 1100, 40_000, 50), s.SUCCESS, team="b"), counter(line(1055, 1100, 4), team="b")]
    assert grown(BUSY, *series) == 0


def test_a_crash_loop_under_a_new_label_each_time_counts_every_life():
    lives = [counter([(1005 + EVERY * n, 10)], container=f"c{n}") for n in range(20)]
    assert grown(BUSY, *lives) == 200


def test_a_crash_loop_from_the_first_scrape_on_loses_one_life_at_most():
    lives = [counter([(1000 + EVERY * n, 10)], container=f"c{n}") for n in range(20)]
    assert grown(*lives) == 180


def test_a_crash_loop_of_longer_lives_counts_every_life():
    lives = [counter(line(1005 + 15 * n, 1015 + 15 * n, 4, 3), container=f"c{n}") for n in range(10)]
    assert grown(BUSY, *lives) == 100


def test_an_error_that_was_never_seen_before_counts_from_its_first():
    assert grown(BUSY, counter(line(1055, 1100, 40, 40))) == 400


def test_a_reset_under_the_same_name_counts_from_its_start():
    assert grown(BUSY, counter([*line(1000, 1050, 3000), *line(1055, 1100, 8)])) == 8


def test_a_new_pod_is_not_the_old_ones_twin():
    old = counter(line(1000, 1050, 100, 1))
    new = counter(line(1055, 1100, 5000, 1), instance="10.0.0.9:8000", pod="b")
    assert grown(old, new) == 10 + 9


def test_a_life_that_nobody_saw_is_not_counted_where_it_appears():
    assert grown(BUSY, counter(line(1055, 1100, 40_000, 1))) == 9


def test_counters_that_read_the_same_and_stand_still_are_two():
    get, post = counter(line(1000, 1300, 5), method="get"), counter(line(1055, 1300, 5), method="post")
    assert grown(BUSY, get, post) == 5


def test_two_ports_of_one_host_that_go_on_are_two_processes():
    times = [(1000 + EVERY * n, 7.0 * n) for n in range(40)]
    later = [(at + 0.7, value) for at, value in times]
    assert grown(counter(times), counter(later, instance="10.0.0.1:9000")) == 2 * 39 * 7


def test_counters_that_stay_apart_are_two():
    get, post = counter(line(1000, 1300, 10, 2), method="get"), counter(line(1055, 1300, 32, 3), method="post")
    assert grown(BUSY, get, post) == 120 + 32 + 147
