"""spec.after: a rollout starts when another ModelRollout serves the version, and nothing of it has begun before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelrollout.core.predecessor import Predecessor
from tests.unit.rollout.world import World, manifest, reasons_of

FIRST = Predecessor("canary/digits", model="digits", stable="1")
AFTER = {"name": "digits", "namespace": "canary"}


def follower() -> World:
    """Version 1 serves, 2 is ready and wanted, and comes after canary/digits, which still serves 1."""
    world = World(spec=manifest() | {"after": AFTER}, predecessor=FIRST)
    world.adopted()
    world.want("2")
    world.make_ready("2")
    world.tick()
    return world


def test_it_waits_with_its_traffic_on_stable_says_so_once_and_is_no_failure():
    world = follower()
    for _ in range(5):
        world.tick(60)
    assert (world.phase, world.parsed.candidate, world.weight) == ("Serving", None, 0)
    assert world.parsed.reason == "WaitingForPredecessor"
    assert "version 2 comes after canary/digits, which has not promoted it yet" in world.parsed.message
    assert reasons_of(world).count("WaitingForPredecessor") == 1
    assert {one.type: one.status for one in world.parsed.conditions} == {"Ready": "Unknown", "Reconciling": "True"}


def test_it_starts_when_the_other_one_serves_the_version_and_goes_on_without_it_then():
    world = follower()
    world.predecessor = replace(FIRST, running=True)
    world.tick()
    assert world.phase == "Serving"
    world.predecessor = replace(FIRST, stable="2")
    world.tick(1)
    assert (world.phase, world.parsed.candidate) == ("Waiting", "2")
    world.predecessor = None
    for _ in range(60):
        world.tick()
    assert world.parsed.stable == "2"


def test_it_starts_though_the_other_one_tries_the_next_version_already():
    world = follower()
    world.predecessor = replace(FIRST, stable="2", running=True)
    world.tick(1)
    assert world.parsed.candidate == "2"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(FIRST, refused="2"), "canary/digits has refused version 2"),
        (replace(FIRST, model="other"), "rolls out another model than digits"),
        (replace(FIRST, circle=("a/x", "b/y", "a/x")), "goes in a circle (a/x after b/y after a/x)"),
    ],
)
def test_what_never_ends_by_waiting_is_for_a_person(found: Predecessor, said: str):
    world = follower()
    world.predecessor = found
    world.tick()
    world.tick()
    assert (world.phase, world.weight, world.parsed.reason) == ("Serving", 0, "PredecessorUnfit")
    assert said in world.parsed.message
    assert {one.type: one.status for one in world.parsed.conditions}["Stalled"] == "True"
    assert reasons_of(world).count("PredecessorUnfit") == 1


@pytest.mark.parametrize("found", [None, Predecessor("canary/digits"), Predecessor("canary/digits", unread="no right")])
def test_what_is_not_there_or_cannot_be_read_starts_nothing(found: Predecessor | None):
    world = follower()
    world.predecessor = found
    world.tick()
    assert (world.phase, world.parsed.reason) == ("Serving", "WaitingForPredecessor")


def test_the_next_version_takes_the_candidates_traffic_before_anybody_is_asked():
    world = follower()
    world.predecessor = replace(FIRST, stable="2")
    for _ in range(4):
        world.tick()
    assert (world.phase, world.weight) == ("Stepping", 5)
    world.want("3")
    world.make_ready("3")
    world.predecessor = None
    world.tick(1)
    assert (world.phase, world.weight, world.parsed.candidate) == ("Serving", 0, None)
    assert world.parsed.history[-1].result == "Replaced"
    world.predecessor = replace(FIRST, stable="3")
    world.tick(1)
    assert (world.phase, world.parsed.candidate) == ("Waiting", "3")


def test_a_refused_version_that_is_replaced_or_retried_waits_again():
    world = follower()
    world.predecessor = replace(FIRST, stable="2")
    for _ in range(4):
        world.tick()
    world.verdict = "FAIL"
    world.tick()
    assert world.phase == "RolledBack"
    world.verdict, world.predecessor = "PASS", FIRST
    world.spec = world.spec | {"attempt": 2}
    world.tick()
    world.tick()
    assert (world.phase, world.parsed.reason, world.weight) == ("Serving", "WaitingForPredecessor", 0)
    world.predecessor = replace(FIRST, stable="2")
    world.tick(1)
    assert (world.phase, world.parsed.candidate) == ("Waiting", "2")


def test_the_old_version_in_git_ends_the_wait_and_a_quick_return_waits_for_nobody():
    world = follower()
    world.want("1")
    world.tick()
    assert (world.phase, world.parsed.reason) == ("Serving", "Promoted")
    world.want("2")
    world.predecessor = replace(FIRST, stable="2")
    for _ in range(60):
        world.tick()
    assert world.parsed.stable == "2"
    world.want("1")
    world.predecessor = replace(FIRST, stable="2")
    world.make_ready("1")
    world.tick()
    assert world.parsed.stable == "1"
    assert world.weight_of("1") == 100


def test_without_after_nobody_is_asked():
    world = World(predecessor=replace(FIRST, refused="2"))
    world.adopted()
    world.want("2")
    world.tick(1)
    assert world.parsed.candidate == "2"
