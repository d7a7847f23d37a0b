"""What spec.after names is read where a rollout may start, and never before a lowering."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from modelrollout.api.problems import parse_spec
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.core.observation import Backend, ObservedRoute
from modelrollout.core.predecessor import Predecessor
from modelrollout.ports import ObjectStore, Unreachable
from modelrollout.runtime.claiming.order import Key, Order
from tests.expect import present
from tests.unit.rollout.world import World, manifest

EAST, WEST, CANARY = ("east", "digits"), ("west", "digits"), ("canary", "digits")
SERVING = Status(phase="Serving", stable="1")
FULL = ObservedRoute("1", (Backend("1", "digits-v1", 8000, 100),), "1")


class Store:
    """What the API server has."""

    def __init__(self, **objects: Any) -> None:
        self.objects, self.asked = {(name, "digits"): obj for name, obj in objects.items()}, list[Key]()

    async def get(self, namespace: str, name: str) -> Any:
        self.asked.append((namespace, name))
        found = self.objects.get((namespace, name))
        if isinstance(found, Exception):
            raise found
        return found


def after(key: Key, version: str = "2") -> Spec:
    return present(parse_spec(manifest(version) | {"after": {"name": key[1], "namespace": key[0]}})[0])


def look(
    order: Order, store: Store, spec: Spec, status: Status = SERVING, route: ObservedRoute | None = FULL
) -> Predecessor | None:
    return asyncio.run(order.look(cast("ObjectStore", store), EAST, spec, status, route))


def rollout(status: Any = None, model: Any = "digits") -> dict[str, Any]:
    return {"spec": {"model": {"name": model, "version": "2"}}, "status": status or {}}


def test_it_is_read_as_it_is():
    found = present(look(Order(), Store(canary=rollout(World().stepping().status)), after(CANARY)))
    assert found == Predecessor("canary/digits", model="digits", stable="1", running=True)


@pytest.mark.parametrize("obj", [{}, {"spec": None}, {"spec": []}, {"spec": {"model": 3}}, rollout(model=None)])
def test_whatever_it_is_nothing_is_promoted_by_it(obj: Any):
    found = present(look(Order(), Store(canary=obj), after(CANARY)))
    assert (found.stable, found.model) == (None, "")


def test_a_status_that_cannot_be_read_and_a_server_that_does_not_answer_are_said():
    for what in (rollout({"phase": 7}), Unreachable("ApiForbidden", "you may not")):
        found = present(look(Order(), Store(canary=what), after(CANARY)))
        assert found.unread
        assert found.stable is None


def test_nobody_is_asked_where_nothing_may_start():
    store, order = Store(canary=rollout()), Order()
    lowered = ObservedRoute("1", (Backend("1", "a", 1, 90), Backend("2", "b", 1, 10)), "1")
    assert look(order, store, after(CANARY, "1")) is None
    assert look(order, store, after(CANARY), World().stepping().parsed) is None
    assert look(order, store, after(CANARY), SERVING, lowered) is None
    assert store.asked == []
    assert order.waiting_for(CANARY) == []


def test_who_waits_is_woken_and_who_does_not_is_not():
    order = Order()
    look(order, Store(canary=rollout()), after(CANARY))
    assert order.waiting_for(CANARY) == [EAST]
    look(order, Store(canary=rollout()), after(CANARY, "1"))
    assert order.waiting_for(CANARY) == []
    look(order, Store(canary=rollout()), after(CANARY))
    order.forget(EAST)
    assert order.waiting_for(CANARY) == []


@pytest.mark.parametrize("chain", [[EAST], [EAST, WEST], [EAST, WEST, CANARY]])
def test_a_circle_of_any_length_is_found(chain: list[Key]):
    order = Order()
    for one, other in zip(chain, [*chain[1:], chain[0]], strict=True):
        order.note(one, after(other))
    found = present(look(order, Store(), after([*chain, EAST][1])))
    assert found.circle == tuple("/".join(key) for key in [*chain, EAST])


def test_who_waits_for_a_circle_is_in_none():
    order = Order()
    order.note(WEST, after(CANARY))
    order.note(CANARY, after(WEST))
    assert present(look(order, Store(), after(WEST))).circle == ()
