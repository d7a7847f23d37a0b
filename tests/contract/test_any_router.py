"""What every router in the registry must do, against the real API server and a real gateway controller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from modelrollout.core.observation import RoutePlan
from modelrollout.ports import Conflict
from tests.contract.case import NAME, V1, V2, Case
from tests.contract.hands import HANDS, MANAGER

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api

pytestmark = [pytest.mark.lab, pytest.mark.oldest, pytest.mark.parametrize("kind", sorted(HANDS))]


async def test_where_there_is_no_route_none_is_observed(case: Case) -> None:
    assert await case.router.observe(case.namespace, NAME) is None
    assert await case.router.observe(case.namespace, NAME) is None


async def test_a_new_route_describes_itself_without_a_spec(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    seen = await case.seen()
    assert (seen.stable, seen.model, seen.testers, seen.doubt) == ("1", "digits", False, "")
    assert [(b.version, b.service, b.port, b.weight) for b in seen.backends] == [("1", V1, 8000, 100)]
    assert await case.hand.owners() == []


async def test_ensuring_twice_writes_once(case: Case) -> None:
    first = await case.apply(RoutePlan("1"), None)
    second = await case.apply(RoutePlan("1"), first)
    assert second.resource_version == first.resource_version
    await case.settled("ACCEPTED")
    version = await case.hand.version()
    await case.apply(RoutePlan("1"), await case.seen())
    assert await case.hand.version() == version


async def test_creating_where_a_route_appeared_meanwhile_is_a_conflict(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    with pytest.raises(Conflict):
        await case.apply(RoutePlan("2"), None)
    assert await case.hand.weights() == {V1: 100}


async def test_weights_are_set_and_read_back_twice_each(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    for weight in (5, 5, 25, 25, 100, 100):
        seen = await case.apply_now(RoutePlan("1", "2", weight))
        assert seen.weight_of("2") == weight
        assert await case.hand.weights() == {V1: 100 - weight, V2: weight}
        assert (await case.seen()).weight_of("2") == weight


async def test_the_structure_seen_is_the_structure_planned(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    for plan in (RoutePlan("1", "2", 5, testers=True), RoutePlan("1", "2", 50), RoutePlan("2")):
        await case.apply_now(plan)
        assert (await case.seen()).structure == case.router.structure(case.namespace, NAME, case.spec, plan)
    assert case.router.structure(case.namespace, NAME, case.spec, RoutePlan("1")) != (await case.seen()).structure


async def test_the_candidate_stands_last_and_its_promotion_leaves_it_alone(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 5))
    assert list(await case.hand.weights()) == [V1, V2]
    await case.apply_now(RoutePlan("2"))
    assert await case.hand.weights() == {V2: 100}
    seen = await case.seen()
    assert (seen.stable, seen.doubt) == ("2", "")


async def test_a_route_is_pending_until_a_controller_judges_it(kind: str, api: Api, namespace: str) -> None:
    case = Case(kind, api, namespace, name="nobody-runs-this")
    await case.apply(RoutePlan("1"), None)
    for _ in range(2):
        await asyncio.sleep(0.5)
        seen = await case.seen()
        assert seen.acceptance == "PENDING"
        assert "infra/nobody-runs-this" in seen.acceptance_reason


async def test_releasing_puts_all_on_stable_and_leaves_the_route(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 50, testers=True))
    assert await case.hand.leads_to(V2)
    for _ in range(2):
        await case.router.release(case.namespace, NAME, await case.seen())
        assert await case.hand.weights() == {V1: 100, V2: 0}
        assert not await case.hand.leads_to(V2)
    assert (await case.seen()).stable == "1"


async def test_releasing_without_annotations_puts_all_on_the_first_backend(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 50))
    await case.hand.annotate(stable=None, candidate=None, services=None)
    await case.router.release(case.namespace, NAME, await case.seen())
    assert await case.hand.weights() == {V1: 100, V2: 0}


async def test_releasing_brings_back_a_stable_backend_that_others_took_out(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 50))
    await case.hand.take_out(V1)
    await case.router.release(case.namespace, NAME, await case.seen())
    assert await case.hand.weights() == {V1: 100}


async def test_a_weight_raised_by_hand_is_seen_with_its_manager_and_lowered(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 5))
    assert (await case.seen()).manager == "modelrollout"
    for by_hand in (60, 100):
        await case.hand.set_weights({V1: 100 - by_hand, V2: by_hand})
        seen = await case.seen()
        assert (seen.weight_of("2"), seen.manager) == (by_hand, MANAGER)
        await case.lower(RoutePlan("1", "2", 5), seen)
        assert await case.hand.weights() == {V1: 95, V2: 5}


async def test_a_weight_lowered_by_hand_is_seen_and_never_raised_by_lowering(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 50))
    for by_hand in (7, 0):
        await case.hand.set_weights({V1: 100 - by_hand, V2: by_hand})
        seen = await case.seen()
        assert (seen.weight_of("2"), seen.manager) == (by_hand, MANAGER)
        await case.lower(RoutePlan("1", "2", 25), seen)
        assert await case.hand.weights() == {V1: 100 - by_hand, V2: by_hand}


async def test_a_raise_decided_before_the_route_changed_fails(case: Case) -> None:
    await case.apply(RoutePlan("1"), None)
    await case.apply_now(RoutePlan("1", "2", 25))
    before = await case.seen()
    await case.lower(RoutePlan("1", "2", 0))
    for _ in range(2):
        with pytest.raises(Conflict):
            await case.apply(RoutePlan("1", "2", 50), before)
    assert await case.hand.weights() == {V1: 100, V2: 0}


async def test_a_raise_never_creates_a_deleted_route_again(case: Case) -> None:
    before = await case.apply(RoutePlan("1"), None)
    await case.hand.remove()
    with pytest.raises(Conflict):
        await case.apply(RoutePlan("1", "2", 50), before)
    assert await case.router.observe(case.namespace, NAME) is None


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        ({"stable": None}, "has no annotation"),
        ({"stable": "latest"}, "which is not a version"),
        ({"stable": "7"}, "no backend serves it"),
        ({"services": "{broken"}, "no backend serves it"),
    ],
)
async def test_an_annotation_that_is_missing_or_lies_is_a_doubt(
    case: Case, notes: dict[str, str | None], says: str
) -> None:
    await case.apply(RoutePlan("1"), None)
    planned = await case.apply_now(RoutePlan("1", "2", 25))
    await case.hand.annotate(**notes)
    seen = await case.seen()
    assert seen.stable is None
    assert says in seen.doubt
    assert seen.structure != planned.structure
    await case.apply_now(RoutePlan("1", "2", 25))
    assert (await case.seen()).stable == "1"
