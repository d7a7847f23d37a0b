"""What every router in the registry must do when traffic is taken away, and when another leader has come."""

from __future__ import annotations

import pytest

from modelrollout.core.observation import RoutePlan
from modelrollout.ports import Conflict, Unreachable
from tests.contract.case import NAME, V1, V2, Case
from tests.contract.hands import HANDS

pytestmark = [pytest.mark.lab, pytest.mark.oldest, pytest.mark.parametrize("kind", sorted(HANDS))]


async def test_a_new_leaders_claim_makes_the_old_leaders_raise_fail(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 5))
    read_by_old = await case.settled("ACCEPTED")
    new = await case.next_leader()
    claimed = await new.claim(case.namespace, NAME, await case.seen())
    assert (await new.claim(case.namespace, NAME, claimed)).resource_version == claimed.resource_version
    with pytest.raises(Conflict):
        await case.apply(RoutePlan("1", "2", 50), read_by_old)
    with pytest.raises(Unreachable) as refused:
        await case.apply(RoutePlan("1", "2", 50), await case.seen())
    assert refused.value.reason == "Superseded"
    with pytest.raises(Unreachable):
        await case.router.claim(case.namespace, NAME, await case.seen())
    assert await case.hand.weights() == {V1: 95, V2: 5}


async def test_a_new_leader_that_lowers_first_leaves_its_epoch_in_the_same_write(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    read_by_old = await case.apply_now(RoutePlan("1", "2", 5))
    new = await case.next_leader()
    await new.lower(case.namespace, NAME, read_by_old, RoutePlan("1", "2", 0))
    assert (await case.seen()).epoch == "1.1-next"
    with pytest.raises(Conflict):
        await case.apply(RoutePlan("1", "2", 50), read_by_old)


async def test_an_old_leader_may_still_lower_but_does_not_claim_the_route(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 50))
    new = await case.next_leader()
    await new.claim(case.namespace, NAME, await case.settled("ACCEPTED"))
    await case.lower(RoutePlan("1", "2", 0))
    seen = await case.seen()
    assert (seen.weight_of("2"), seen.epoch) == (0, "1.1-next")


async def test_lowering_needs_no_current_reading(case: Case) -> None:
    old = await case.apply(RoutePlan("1"), None)
    old = await case.apply_now(RoutePlan("1", "2", 5))
    await case.hand.set_weights({V1: 20, V2: 80})
    await case.hand.annotate(note="someone wrote here")
    await case.lower(RoutePlan("1", "2", 0), old)
    assert await case.hand.weights() == {V1: 100, V2: 0}


async def test_nothing_to_lower_is_never_concluded_from_an_old_reading(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    old = await case.apply_now(RoutePlan("1", "2", 0))
    await case.hand.set_weights({V1: 70, V2: 30})
    await case.lower(RoutePlan("1", "2", 0), old)
    assert await case.hand.weights() == {V1: 100, V2: 0}


async def test_lowering_twice_writes_once(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 25))
    await case.lower(RoutePlan("1", "2", 0))
    await case.settled("ACCEPTED")
    version = await case.hand.version()
    await case.lower(RoutePlan("1", "2", 0))
    assert await case.hand.version() == version


async def test_lowering_takes_the_testers_rule_along_unless_planned(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 25, testers=True))
    await case.lower(RoutePlan("1", "2", 5, testers=True))
    assert await case.hand.leads_to(V2)
    await case.lower(RoutePlan("1", "2", 0))
    assert not await case.hand.leads_to(V2)
    assert not (await case.seen()).testers


async def test_lowering_closes_a_way_to_the_candidate_that_others_added(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    old = await case.apply_now(RoutePlan("1", "2", 25))
    await case.hand.lead_elsewhere_too(V2)
    assert (await case.seen()).structure != old.structure
    await case.lower(RoutePlan("1", "2", 0), old)
    assert await case.hand.weights() == {V1: 100, V2: 0}
    assert not await case.hand.leads_to(V2)


async def test_lowering_brings_back_a_stable_backend_that_others_took_out(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 25))
    await case.hand.take_out(V1)
    seen = await case.seen()
    assert seen.stable is None
    assert "no backend serves it" in seen.doubt
    await case.lower(RoutePlan("1", "2", 0), seen)
    assert await case.hand.weights() == {V1: 100}


async def test_lowering_a_route_that_is_about_other_versions_by_now_is_a_conflict(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    read_by_old = await case.apply_now(RoutePlan("1", "2", 25))
    await case.apply_now(RoutePlan("2", "1", 10))
    for _ in range(2):
        with pytest.raises(Conflict):
            await case.lower(RoutePlan("1", "2", 0), read_by_old)
    assert await case.hand.weights() == {V2: 90, V1: 10}


async def test_lowering_a_route_that_is_gone_says_so(case: Case) -> None:
    seen = await case.apply(RoutePlan("1"), None)
    await case.hand.remove()
    with pytest.raises(Unreachable) as gone:
        await case.lower(RoutePlan("1", "2", 0), seen)
    assert gone.value.reason == "RouteMissing"
