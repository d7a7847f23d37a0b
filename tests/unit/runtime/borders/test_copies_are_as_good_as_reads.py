"""What a watch has just shown is not read again; what may be old, is gone, or moves a rollout on, is."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from modelrollout.adapters.kubernetes.client import path_of
from modelrollout.adapters.kubernetes.copies.known import FRESH, LARGEST, Copies, Known, answering
from modelrollout.api.base import GROUP_VERSION, PLURAL

RESYNC = 10.0
PATH = path_of(GROUP_VERSION, PLURAL, "vision", "digits")
OF_KIND = partial(path_of, GROUP_VERSION, PLURAL)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(version: object, **more: Any) -> dict[str, Any]:
    meta = {"namespace": "vision", "name": "digits", "resourceVersion": version}
    return {"kind": "ModelRollout", "metadata": meta, **more}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(clock: Clock) -> Known:
    found = Known(RESYNC, clock)
    found.follow("vision", "digits", active=True)
    return found


def copy(known: Known, path: str = PATH) -> dict[str, Any] | None:
    with answering(Copies()):
        return known.copy(path)


def test_a_copy_stands_for_a_read_only_where_that_is_said(known: Known):
    known.shown(PATH, None, shown("7"))
    assert known.copy(PATH) is None
    copies = Copies()
    with answering(copies):
        assert known.copy(PATH) == shown("7")
    assert copies.used
    with answering(None):
        assert known.copy(PATH) is None


def test_nobody_can_change_what_is_kept(known: Known):
    known.shown(PATH, None, shown("7"))
    (copy(known) or {})["metadata"]["resourceVersion"] = "8"
    assert copy(known) == shown("7")


def test_a_copy_grows_old_unless_a_list_has_the_same_version(known: Known, clock: Clock):
    known.shown(PATH, None, shown("7"))
    clock.now += FRESH * RESYNC
    assert copy(known)
    known.listed([("vision", "digits", "7")], OF_KIND, clock.now - 2, ["vision"])
    clock.now += FRESH * RESYNC - 2
    assert copy(known)
    clock.now += 0.1
    assert copy(known) is None


@pytest.mark.parametrize("found", [[("vision", "digits", "9")], []], ids=["another version", "not there"])
def test_a_list_that_says_otherwise_ends_a_copy(known: Known, clock: Clock, found: list[tuple[str, str, str]]):
    known.shown(PATH, None, shown("7"))
    clock.now += 1
    known.listed(found, OF_KIND, clock.now, ["speech"])
    assert copy(known), "another namespace's list says nothing"
    known.listed(found, OF_KIND, clock.now, ["vision"])
    assert copy(known) is None


def test_a_list_that_was_asked_for_before_the_copy_came_ends_nothing(known: Known, clock: Clock):
    known.shown(PATH, None, shown("7"))
    known.listed([], OF_KIND, clock.now - 1, ["vision"])
    known.listed([("vision", "digits", "6")], OF_KIND, clock.now + 1, ["vision"])
    assert copy(known)


def test_an_event_that_comes_late_does_not_undo_a_write(known: Known):
    known.shown(PATH + "/status", json.dumps(shown("9")).encode(), shown("9"))
    known.shown(PATH, None, shown("8"))
    assert copy(known) == shown("9")
    known.gone(PATH)
    assert copy(known) is None


def test_an_answer_makes_a_copy_new_and_an_event_that_is_repeated_does_not(known: Known, clock: Clock):
    known.shown(PATH, None, shown("7"))
    clock.now += FRESH * RESYNC
    known.shown(PATH, None, shown("7"))
    clock.now += 1
    assert copy(known) is None
    known.shown(PATH, json.dumps(shown("7")).encode(), shown("7"), clock.now)
    assert copy(known)


def test_an_answer_that_comes_late_is_none(known: Known, clock: Clock):
    known.shown(PATH, None, shown("9"))
    assert known.newest(PATH, shown("7")) == shown("9")
    assert known.newest(PATH, shown("10")) == shown("10")
    assert known.newest(PATH, shown("x")) == shown("x")
    clock.now += FRESH * RESYNC + 1
    assert known.newest(PATH, shown("7")) == shown("7"), "a store that was restored counts from before"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "GET"])
def test_a_write_that_fails_leaves_no_copy(known: Known, method: str):
    known.shown(PATH, None, shown("7"))
    with pytest.raises(TimeoutError), known.doubting(method, PATH + "/status"):
        raise TimeoutError
    assert (copy(known) is None) == (method != "GET")


@pytest.mark.parametrize("odd", [shown(None), shown("x1"), shown("8", spec="x" * LARGEST), {"metadata": {}}])
def test_what_cannot_be_compared_or_is_too_large_is_read(known: Known, odd: dict[str, Any]):
    known.shown(PATH, None, shown("7"))
    known.shown(PATH, None, odd)
    assert copy(known) is None


def test_only_rollouts_under_way_are_kept(known: Known):
    other = path_of(GROUP_VERSION, PLURAL, "vision", "other")
    known.shown(other, None, shown("7"))
    assert copy(known, other) is None
    known.shown(PATH, None, shown("7"))
    known.follow("vision", "digits", active=False)
    known.follow("vision", "digits", active=True)
    assert copy(known) is None
    assert known.namespaces == {"vision"}
