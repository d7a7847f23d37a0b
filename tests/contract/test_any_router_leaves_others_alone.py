"""What every router in the registry must do with a route of its resource's name that somebody else made: nothing."""

from __future__ import annotations

import pytest

from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.core.observation import RoutePlan
from modelrollout.ports import Conflict, Unreachable
from tests.contract.case import NAME, V1, V2, Case
from tests.contract.hands import HANDS

pytestmark = [pytest.mark.lab, pytest.mark.oldest, pytest.mark.parametrize("kind", sorted(HANDS))]


async def test_it_is_seen_as_foreign_and_no_verb_changes_it(case: Case) -> None:
    await case.hand.make(V1, V2)
    before, seen = await case.hand.content(), await case.seen()
    assert seen.foreign
    with pytest.raises(Unreachable) as claimed:
        await case.router.claim(case.namespace, NAME, seen)
    assert claimed.value.reason == "RouteNotOurs"
    with pytest.raises(Unreachable) as applied:
        await case.apply(RoutePlan("1"), seen)
    assert applied.value.reason == "RouteNotOurs"
    with pytest.raises(Conflict):
        await case.lower(RoutePlan("1"), seen)
    with pytest.raises(Conflict):
        await case.router.release(case.namespace, NAME, seen)
    with pytest.raises(Conflict):
        await case.apply(RoutePlan("1"), None)
    assert await case.hand.content() == before


async def test_a_deletion_and_an_uninstall_leave_it_as_it_is(case: Case) -> None:
    await case.hand.make(V1, V2)
    before = await case.hand.content()
    released = await RegisteredRouters(case.api, epoch="1.9-release").release(case.namespace, NAME)
    assert (released.held, len(released.left)) == ((), 1)
    assert await case.hand.content() == before


async def test_one_that_took_the_place_of_ours_is_not_lowered_by_an_old_reading(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    ours = await case.apply_now(RoutePlan("1", "2", 50))
    await case.hand.remove()
    await case.hand.make(V1, V2)
    before = await case.hand.content()
    for _ in range(2):
        with pytest.raises(Conflict):
            await case.lower(RoutePlan("1", "2", 0), ours)
        with pytest.raises(Conflict):
            await case.apply(RoutePlan("1", "2", 100), ours)
    assert await case.hand.content() == before


async def test_one_that_says_which_version_is_stable_was_handed_over(case: Case) -> None:
    await case.hand.make(V1, V2)
    await case.hand.annotate(stable="1", services='{"1":"digits-v1:8000"}')
    seen = await case.seen()
    assert (seen.foreign, seen.stable, seen.weight_of("1")) == ("", "1", 50)
    await case.apply_now(RoutePlan("1"))
    assert await case.hand.weights() == {V1: 100}
    await case.hand.annotate(stable=None)
    assert (await case.seen()).foreign == ""


async def test_ours_is_ours_also_when_every_annotation_was_taken_off(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 50))
    await case.hand.annotate(stable=None, candidate=None, services=None, model=None, resource=None, epoch=None)
    assert (await case.seen()).foreign == ""
    await case.router.release(case.namespace, NAME, await case.seen())
    assert await case.hand.weights() == {V1: 100, V2: 0}


async def test_a_copy_of_another_resources_route_is_not_ours(case: Case) -> None:
    await case.hand.make(V1, V2)
    await case.hand.annotate(stable="1", resource="elsewhere/digits")
    assert "elsewhere/digits" in (await case.seen()).foreign
