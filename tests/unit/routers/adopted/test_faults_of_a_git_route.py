"""Every write of the adopted route may be the last of a process, fail, or be taken without an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from modelrollout.core.observation import RoutePlan
from modelrollout.ports import Conflict, Superseded, Unreachable
from tests.unit.routers.adopted.git import ROUTE, GitApi, GitRollout, Killed, outside

Write = Callable[[], dict[str, Any]]
MOST_WRITES = 60


class Once:
    """Does something at the `at`-th write of all, and lets the others be."""

    def __init__(self, at: int, what: Callable[[Write], dict[str, Any]]) -> None:
        self.at, self.what, self.count = at, what, 0

    def __call__(self, _path: str, _body: Any, write: Write) -> dict[str, Any]:
        self.count += 1
        return self.what(write) if self.count == self.at else write()


def before(_write: Write) -> dict[str, Any]:
    raise Killed


def after(write: Write) -> dict[str, Any]:
    write()
    raise Killed


def lost(write: Write) -> dict[str, Any]:
    write()
    raise Unreachable("ApiTimeout", "no answer")


def refused(_write: Write) -> dict[str, Any]:
    raise Unreachable("ApiError", "500")


def conflict(_write: Write) -> dict[str, Any]:
    raise Conflict("409")


async def story(found: GitRollout) -> list[dict[str, int]]:
    """A promotion through every step; each time the process dies another one goes on. The weights after each pass."""
    seen, wanted = [], False
    for _ in range(80):
        try:
            await found.tick()
        except Killed:
            found.restart()
        except (Conflict, Unreachable):
            pass
        seen.append(found.weights)
        if found.status.get("phase") == "Serving" and not wanted:
            found.want("2")
            wanted = True
        if (
            found.status.get("stable") == "2"
            and found.weights["digits-v2"] == 100
            and found.mark
            and found.mark.stable == "2"
        ):
            return seen
    raise AssertionError(found.status)


@pytest.mark.slow
async def test_the_story_without_a_fault_has_as_many_writes_as_are_tried():
    found, count = GitRollout(), Once(0, before)
    found.api.fault = count
    seen = await story(found)
    assert 10 < count.count < MOST_WRITES
    assert [each["digits-v2"] for each in seen if each] == sorted(each["digits-v2"] for each in seen)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [before, after, lost, refused, conflict], ids=lambda fault: fault.__name__)
async def test_a_fault_at_any_write_changes_no_end(fault: Callable[[Write], dict[str, Any]]):
    struck = 0
    for at in range(1, MOST_WRITES):
        found = GitRollout()
        found.api.fault = once = Once(at, fault)
        seen = await story(found)
        if once.count < at:
            break
        struck += 1
        weights = [each["digits-v2"] for each in seen]
        assert all(step in (0, 5, 25, 50, 100) for step in weights), (at, weights)
        assert all(sum(each.values()) == 100 for each in seen), (at, seen)
        assert [one for one in dict.fromkeys(weights) if one] == [5, 25, 50, 100], (at, weights)
        assert outside(found.api.objects[ROUTE]) == outside(found.git)
    assert struck > 10


@pytest.mark.slow
async def test_git_may_set_the_weights_back_between_the_record_of_a_promotion_and_its_write():
    found = await GitRollout().stepping()
    await found.until("Baking", 100)

    def promoted(path: str, body: Any, write: Write) -> dict[str, Any]:
        made = write()
        if path != ROUTE and body.get("status", {}).get("stable") == "2":
            raise Killed
        return made

    found.api.fault = promoted
    with pytest.raises(Killed):
        await found.until("Serving")
    found.api.fault = GitApi().fault
    found.reapply()
    found.restart()
    await found.tick(1)
    await found.tick(1)
    assert [entry["result"] for entry in found.status["history"]] == ["Adopted", "Promoted"]
    assert (found.status["stable"], found.status["phase"]) == ("2", "Serving")
    assert found.weights == {"digits-v1": 0, "digits-v2": 100}


async def test_a_raise_decided_before_the_route_changed_is_refused():
    found = await GitRollout().stepping()
    router, route = await found.operator.routers.find("vision", "digits", None)
    found.reapply()
    for _ in range(2):
        with pytest.raises(Conflict):
            await router.apply("vision", "digits", None, RoutePlan("1", "2", 50), route)  # type: ignore[arg-type]
    assert found.weights == {"digits-v1": 100, "digits-v2": 0}


async def test_a_raise_of_an_old_leader_is_refused_and_its_lowering_is_not():
    found = await GitRollout().stepping()
    router, old = await found.operator.routers.find("vision", "digits", None)
    found.epoch = "1.1-two"
    found.restart()
    await found.tick(1)
    found.epoch = "1.0-one"
    now = await router.observe("vision", "digits")
    assert now is not None
    with pytest.raises(Conflict):
        await router.apply("vision", "digits", None, RoutePlan("1", "2", 50), old)  # type: ignore[arg-type]
    with pytest.raises(Superseded):
        await router.apply("vision", "digits", None, RoutePlan("1", "2", 50), now)  # type: ignore[arg-type]
    await router.lower("vision", "digits", now, RoutePlan("1", "2", 0))
    assert (found.weights["digits-v2"], found.notes["modelrollout.dev/epoch"]) == (0, "1.1-two")


async def test_a_lowering_gets_through_a_route_that_changes_all_the_time():
    found = await GitRollout().stepping(25)
    router, route = await found.operator.routers.find("vision", "digits", None)
    assert route is not None
    found.api.objects[ROUTE]["metadata"]["labels"] = {"one": "more"}
    found.api.version += 7
    await router.lower("vision", "digits", route, RoutePlan("1", "2", 0))
    assert found.weights == {"digits-v1": 100, "digits-v2": 0}


async def test_a_lowering_is_not_concluded_from_an_old_reading():
    found = await GitRollout().stepping(5)
    router, route = await found.operator.routers.find("vision", "digits", None)
    assert route is not None
    found.api.objects[ROUTE]["spec"]["rules"][0]["backendRefs"][1]["weight"] = 60
    await router.lower("vision", "digits", route, RoutePlan("1", "2", 5))
    assert found.weights["digits-v2"] == 5


async def test_a_lowering_of_what_is_about_another_stable_version_by_now_is_a_conflict():
    found = await GitRollout().stepping(5)
    router, route = await found.operator.routers.find("vision", "digits", None)
    assert route is not None
    await found.until("Serving", 100, most=60)
    await found.tick(1)
    with pytest.raises(Conflict, match="version 2 is stable, not 1"):
        await router.lower("vision", "digits", route, RoutePlan("1", "2", 0))
    assert found.weights == {"digits-v1": 0, "digits-v2": 100}
