"""Two contenders for one Lease on the real API server: never two leaders, and an epoch that only rises."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest

from modelrollout.adapters.kubernetes.client import path_of
from modelrollout.adapters.kubernetes.lease_record import HIGHEST
from modelrollout.adapters.routers.lowering import is_newer
from modelrollout.runtime.lease import HANDED_OVER, Lease
from tests.lab import Fault

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import FaultProxy, Rule

pytestmark = pytest.mark.lab

DURATION = 9.0
"""Two thirds of it must pass without a renewal until a leader steps down: no machine is as busy as that."""
SHORT: dict[str, Any] = {"duration": DURATION, "renew": 0.5}
PATIENT: dict[str, Any] = {"duration": 12.0, "renew": 0.5}
"""For tests about something else: a machine that is slow for some seconds must not depose a leader."""
PLENTY = 30.0


def lease(api: Api, namespace: str, identity: str, **settings: Any) -> Lease:
    return Lease(api, namespace, "modelrollout", identity, **(SHORT | settings))


def path(namespace: str) -> str:
    return path_of("coordination.k8s.io/v1", "leases", namespace, "modelrollout")


async def used(rule: Rule) -> None:
    while not rule.used:  # noqa: ASYNC110 - the rule is used by another thread's event loop
        await asyncio.sleep(0.05)


async def renewed(api: Api, namespace: str) -> None:
    """Until the Lease has been renewed from now on."""
    before = (await api.request("GET", path(namespace)))["spec"]["renewTime"]
    while (await api.request("GET", path(namespace)))["spec"]["renewTime"] == before:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def within(awaitable: Any) -> Any:
    async with asyncio.timeout(PLENTY):
        return await awaitable


async def test_the_first_leads_and_the_second_waits_while_it_renews(api: Api, namespace: str) -> None:
    first, second = lease(api, namespace, "a"), lease(api, namespace, "b")
    lost: list[str] = []
    await within(first.acquire())
    keeping = asyncio.create_task(first.keep(lost.append))
    waiting = asyncio.create_task(second.acquire())
    for _ in range(10):
        await asyncio.sleep(DURATION / 8)
        assert first.held()
        assert not second.held()
    assert not waiting.done()
    assert lost == []
    keeping.cancel()
    await within(waiting)  # the first was killed: no process renews
    assert not first.held()
    assert second.held()


async def test_the_epoch_rises_with_every_change_and_also_over_a_lease_created_again(api: Api, namespace: str) -> None:
    first = lease(api, namespace, "a")
    epochs = [await within(first.acquire())]
    await first.release()
    second = lease(api, namespace, "b")
    epochs.append(await within(second.acquire()))
    restarted = lease(api, namespace, "b")
    epochs.append(await within(restarted.acquire()))
    await asyncio.sleep(1.1)  # creation times have whole seconds
    await api.request("DELETE", path(namespace))
    epochs.append(await within(lease(api, namespace, "a").acquire()))
    assert all(is_newer(later, earlier) for earlier, later in itertools.pairwise(epochs)), epochs


async def test_a_clean_exit_hands_over_at_once(api: Api, namespace: str) -> None:
    first = lease(api, namespace, "a", duration=300, renew=1.0)
    await within(first.acquire())
    await first.release()
    assert not first.held()
    await within(lease(api, namespace, "b", duration=300, renew=1.0).acquire())


@pytest.mark.parametrize("skew", [-30.0, pytest.param(30.0, marks=pytest.mark.long), 86400.0])
async def test_clocks_that_disagree_neither_steal_nor_block(api: Api, namespace: str, skew: float) -> None:
    first = lease(api, namespace, "a", wall=lambda: time.time() + skew)
    second = lease(api, namespace, "b")
    lost: list[str] = []
    await within(first.acquire())
    keeping = asyncio.create_task(first.keep(lost.append))
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(1.25 * DURATION)
    assert not waiting.done()
    assert first.held()
    keeping.cancel()
    await within(waiting)


async def test_a_leader_that_was_stopped_knows_by_its_own_clock_that_it_no_longer_leads(
    api: Api, namespace: str
) -> None:
    stopped_for = 0.0
    first = lease(api, namespace, "a", monotonic=lambda: time.monotonic() + stopped_for)
    await within(first.acquire())
    assert first.held()
    stopped_for = DURATION
    assert not first.held()


async def test_a_leader_whose_lease_was_taken_learns_by_whom(api: Api, namespace: str) -> None:
    first, second = lease(api, namespace, "a"), lease(api, namespace, "b")
    await within(first.acquire())
    await api.patch(path(namespace), {"spec": {"holderIdentity": "", "leaseDurationSeconds": HANDED_OVER}})
    await within(second.acquire())
    lost: list[str] = []
    await within(first.keep(lost.append))
    assert lost == ["b took the Lease"]
    assert not first.held()
    assert second.held()


async def test_a_leader_whose_lease_was_deleted_steps_down_and_does_not_create_it_again(
    api: Api, namespace: str
) -> None:
    first = lease(api, namespace, "a")
    await within(first.acquire())
    await api.request("DELETE", path(namespace))
    lost: list[str] = []
    await within(first.keep(lost.append))
    assert lost == ["the Lease was deleted"]
    assert await api.get(path(namespace)) is None


async def test_a_leader_cut_off_from_the_api_server_steps_down_before_the_other_takes_over(
    faulty: Api, api: Api, proxy: FaultProxy, namespace: str
) -> None:
    first, second = lease(faulty, namespace, "a"), lease(api, namespace, "b")
    await within(first.acquire())
    lost: list[str] = []
    keeping = asyncio.create_task(first.keep(lost.append))
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(1.0)
    proxy.add(Fault(delay=60))
    while not waiting.done():
        assert not second.held()
        await asyncio.sleep(0.02)
    assert not first.held(), "two leaders"
    await within(keeping)
    assert "could not be renewed" in lost[0]


async def test_a_leader_goes_on_over_short_troubles_and_lost_answers(
    faulty: Api, api: Api, proxy: FaultProxy, namespace: str
) -> None:
    first = lease(faulty, namespace, "a", **PATIENT)
    epoch = await within(first.acquire())
    lost: list[str] = []
    keeping = asyncio.create_task(first.keep(lost.append))
    faults = [Fault(status=500), Fault(drop=True), Fault(drop_answer=True), Fault(status=429)]
    for fault in faults:
        rule = proxy.add(fault, method="PATCH", times=1)
        await within(used(rule))
        await within(renewed(api, namespace))
    assert (lost, first.held(), first.epoch) == ([], True, epoch)
    keeping.cancel()


async def test_two_that_start_together_do_not_both_lead(api: Api, namespace: str) -> None:
    contenders = [lease(api, namespace, f"c{number}", **PATIENT) for number in range(4)]
    waiting = [asyncio.create_task(each.acquire()) for each in contenders]
    await within(asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED))
    await asyncio.sleep(1.0)
    assert sum(each.held() for each in contenders) == 1
    for task in waiting:
        task.cancel()


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {"holderIdentity": "x", "leaseDurationSeconds": HIGHEST, "renewTime": "9999-12-31T23:59:59.000000Z"},
        {"holderIdentity": "\x1b[2J\u202e" + "x" * 1_000_000, "leaseTransitions": HIGHEST},
        {"holderIdentity": "x", "leaseTransitions": HIGHEST - 1},
        {"holderIdentity": "x", "leaseTransitions": 1, "strategy": "OldestEmulationVersion", "preferredHolder": "y"},
    ],
    ids=["no spec", "for ever", "no more transitions", "one more transition", "another election"],
)
async def test_what_a_lease_says_keeps_nobody_out(api: Api, namespace: str, spec: dict[str, Any] | None) -> None:
    named = {"name": "modelrollout", "namespace": namespace, "finalizers": ["example.com/stays"]}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": named}
    await api.post(path(namespace).rpartition("/")[0], body | ({"spec": spec} if spec else {}))
    first, second = lease(api, namespace, "a"), lease(api, namespace, "b")
    epochs = [await within(first.acquire())]
    await first.release()
    epochs.append(await within(second.acquire()))
    assert is_newer(epochs[1], epochs[0])
    stored = (await api.request("GET", path(namespace)))["spec"]
    assert stored["holderIdentity"] == "b"
    assert "strategy" not in stored
    lost: list[str] = []
    keeping = asyncio.create_task(second.keep(lost.append))
    await within(renewed(api, namespace))
    assert lost == []
    keeping.cancel()
    await api.patch(path(namespace), {"metadata": {"finalizers": None}})


def test_a_renewal_slower_than_the_lease_is_refused(api: Api) -> None:
    with pytest.raises(ValueError, match="renew: 10 s; choose less than two thirds"):
        Lease(api, "x", "y", "z", duration=15, renew=10)
