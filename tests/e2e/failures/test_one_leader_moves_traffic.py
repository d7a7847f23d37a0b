"""A leader that dies, sleeps or has the wrong time: the next one goes on, and the old one raises nothing any more."""

from __future__ import annotations

import signal
import time

import pytest

from tests.e2e.support.hands import ask, took
from tests.e2e.support.leaders import (
    LATENESS,
    check_holds,
    epoch,
    exposures,
    raises_to,
    records_step,
    skewed,
    standby,
    stop_when,
    wait_led,
)
from tests.e2e.support.live_rollout import LiveRollout
from tests.e2e.support.rollouts import Rollouts
from tests.lab import Fault, FaultProxy, OperatorProcess, Rule

STEPS = [0, 10, 30, 50, 100]
LEASE = ("--lease-duration=15",)
"""The default of the chart."""
TAKEOVER = 20.0
"""Seconds promised with it."""
LONG_HOLD = 40
"""Seconds: not over when the standby comes."""
LATE = 60.0
"""Seconds by which a raise is late: a new leader comes and a person aborts meanwhile."""


def used(rule: Rule, live: LiveRollout, deadline: float = 90) -> None:
    end = time.monotonic() + deadline
    while not rule.used:
        assert time.monotonic() < end, f"no such write came\n{live.report()}"
        live.status()
        time.sleep(0.05)


def test_after_a_kill_in_mid_rollout_the_standby_goes_on_with_no_double_advance_and_no_short_hold(rollouts: Rollouts):
    live = rollouts.start(1, 2, operate={"arguments": LEASE})
    steps = [{"weight": 10, "hold": f"{LONG_HOLD}s"}, {"weight": 30, "hold": "6s"}, {"weight": 50, "hold": "6s"}]
    client = live.adopt(steps=steps)
    standby(live, arguments=LEASE)
    live.version(2)
    live.wait_weight(2, 10)
    before = epoch(live)
    live.operator.kill()
    killed = time.time()
    took_over = wait_led(live, before) - killed
    print(f"leader killed -> standby leads: {took_over:.1f} s (promised: {TAKEOVER:g} s)")
    assert took_over < 3 * TAKEOVER
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    assert live.weights(2) == STEPS
    check_holds(live, 2, 6)
    assert dict(exposures(live, 2))[10] >= LONG_HOLD - LATENESS
    client.stop()
    assert client.failed == []


def a_leader_and_a_standby(rollouts: Rollouts) -> tuple[FaultProxy, LiveRollout, OperatorProcess]:
    """Version 1 serves; the leader, which is returned, reaches the API server by the proxy, the standby directly."""
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, operate={"api": proxy.url, "arguments": LEASE})
    live.adopt()
    standby(live, arguments=LEASE)
    return proxy, live, live.operator


def test_a_leader_stopped_between_its_record_and_its_raise_writes_no_route_when_it_wakes_up(rollouts: Rollouts):
    proxy, live, old = a_leader_and_a_standby(rollouts)
    stop = stop_when(lambda: old, records_step(30))
    rule = proxy.add(Fault(), method="PUT", path="/status", times=1, when=stop)
    before = epoch(live)
    live.version(2)
    used(rule, live)
    wait_led(live, before)
    took(live, "abort under the new leader", 2, 0, ask(live, "abort", 2).at)
    live.wait("the end", lambda s: s.get("candidate") is None)
    woken = time.time()
    old.process.signal(signal.SIGCONT)
    while old.process.running:
        assert time.time() - woken < 30, "the old leader goes on"
        time.sleep(0.05)
    print(f"old leader woken -> ended with {old.process.returncode}: {time.time() - woken:.1f} s")
    assert old.process.returncode == 1
    assert proxy.requests(method="PATCH|POST|PUT", path="httproutes", since=woken) == []
    time.sleep(2)
    assert live.weight(2) <= 0
    assert live.status()["history"][-1]["result"] == "Aborted"


def test_a_raise_that_was_on_its_way_when_its_leader_was_stopped_is_refused_by_the_api_server(rollouts: Rollouts):
    proxy, live, old = a_leader_and_a_standby(rollouts)
    stop = stop_when(lambda: old, raises_to(30))
    late = proxy.add(Fault(delay=LATE), method="PATCH", path="httproutes", times=1, when=stop)
    before = epoch(live)
    live.version(2)
    used(late, live)
    sent = time.time()
    wait_led(live, before)
    aborted = ask(live, "abort", 2).at
    took(live, "abort under the new leader", 2, 0, aborted)
    assert time.time() - sent < LATE, "the new leader came too late for this test to tell anything"
    (raised,) = [seen for seen in proxy.requests(method="PATCH", path="httproutes") if seen.fault is late.fault]
    while not raised.status:
        assert time.time() - sent < 2 * LATE
        time.sleep(0.1)
    print(f"the old leader's raise, {time.time() - sent:.0f} s late, was answered with {raised.status}")
    assert raised.status == 409
    old.process.signal(signal.SIGCONT)
    time.sleep(3)
    assert live.weight(2) <= 0
    assert all(w.weights.get("digits-v2", 0) == 0 for w in live.record.seen if w.at > aborted + 6)


@pytest.mark.parametrize(("first", "second"), [(-30.0, 30.0), pytest.param(30.0, -30.0, marks=pytest.mark.long)])
def test_leaders_whose_clocks_are_a_minute_apart_shorten_no_hold_and_judge_on(
    rollouts: Rollouts, first: float, second: float
):
    steps = [{"weight": 10, "hold": "30s"}, {"weight": 50, "hold": "6s"}]
    live = rollouts.start(1, 2, operate={"arguments": LEASE} | skewed(first))
    live.adopt(steps=steps)
    standby(live, arguments=LEASE, **skewed(second))
    live.version(2)
    live.wait_weight(2, 10)
    before = epoch(live)
    live.operator.kill()
    killed = time.time()
    print(f"clocks {first:+g} s and {second:+g} s; the second leads after {wait_led(live, before) - killed:.1f} s")
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    assert live.weights(2) == [0, 10, 50, 100]
    check_holds(live, 2, 6)
    held = dict(exposures(live, 2))
    assert held[10] >= 30 - LATENESS
