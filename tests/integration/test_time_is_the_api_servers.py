"""Two nodes whose clocks differ by any amount soon agree to milliseconds, and never on a time that is too late."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.adapters.kubernetes.server_clock import ServerClock

START = 1_800_000_000.25


class Node:
    """A node whose wall clock is `skew` seconds off and whose monotonic clock began anywhere."""

    def __init__(self, skew: float, booted: float = 1234.5) -> None:
        self.true = START
        self.stepped = skew
        self.clock = ServerClock(wall=lambda: self.true + skew, monotonic=lambda: self.true - START + booted)

    def ask(self, up: float = 0.003, down: float = 0.003) -> None:
        """One answer of a server whose clock is right."""
        sent = self.clock.elapsed()
        self.true += up
        date = formatdate(self.true, usegmt=True)
        self.true += down
        self.clock.heard(date, sent)

    @property
    def error(self) -> float:
        return self.clock.now() - self.true


@given(
    skew=st.floats(-86400, 86400),
    gaps=st.lists(st.floats(0.05, 3.0), min_size=60, max_size=60),
    trips=st.lists(st.tuples(st.floats(0.0005, 2.0), st.floats(0.0005, 2.0)), min_size=60, max_size=60),
)
def test_every_answer_brings_the_clock_nearer_and_none_takes_it_away(skew, gaps, trips):
    node = Node(skew)
    off = abs(skew) + 1.0
    for gap, (up, down) in zip(gaps, trips, strict=True):
        node.true += gap
        node.ask(up, down)
        assert abs(node.error) <= max(1.0 + up + down, 0.0) + 0.001
        assert abs(node.error) <= max(off, 1.0 + up + down) + 0.001
        off = abs(node.error)


@pytest.mark.parametrize("skew", [30.0, -30.0, 3600.0])
def test_a_skewed_node_agrees_to_a_few_hundredths_after_some_answers(skew):
    node = Node(skew)
    for number in range(100):
        node.true += 0.37 + number % 7 * 0.013
        node.ask()
    assert abs(node.error) < 0.05


def test_a_node_that_is_far_ahead_starts_late_rather_than_early():
    node = Node(30.0)
    node.ask()
    assert -1.0 <= node.error <= 0.0


def test_a_node_with_the_right_time_keeps_its_own():
    node = Node(0.0)
    for number in range(100):
        node.true += 0.1 + number * 0.001
        node.ask()
        assert abs(node.error) < 0.001


@pytest.mark.parametrize("date", [None, "", "soon", "Fri, 99 Foo 2026 00:00:00 GMT", "0"])
def test_no_date_teaches_nothing(date):
    node = Node(30.0)
    node.clock.heard(date, node.clock.elapsed())
    assert abs(node.error - 30.0) < 0.001


@pytest.mark.parametrize("off", [-86_400.0, -30.0, 30.0, 3600.0, 900_000_000.0])
def test_one_date_that_is_far_off_ends_no_hold(off: float):
    """A proxy's page of an error has the proxy's date."""
    node = Node(3.0)
    node.ask()
    node.clock.heard(formatdate(node.true + off, usegmt=True), node.clock.elapsed())
    assert abs(node.error) <= 1.01
    node.ask()
    for number in range(4):  # nor do several, of several proxies
        node.clock.heard(formatdate(node.true + off + 60 * (number % 2), usegmt=True), node.clock.elapsed())
        node.ask()
    assert abs(node.error) <= 1.01


def test_a_date_that_the_next_answer_says_again_is_the_servers():
    node = Node(0.0)
    node.ask()
    for _ in range(2):
        node.clock.heard(formatdate(node.true + 600, usegmt=True), node.clock.elapsed())
    assert 598.9 <= node.error <= 601.1
