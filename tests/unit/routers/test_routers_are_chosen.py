"""The registry chooses a router by the spec; without a valid one, whichever holds the route is lowered and released."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from modelrollout.adapters import routers as registry
from modelrollout.adapters.routers import ROUTERS, RegisteredRouters, RouterKind, router_for
from modelrollout.adapters.routers.protocols import ProtocolsRouter
from modelrollout.api.spec import Spec
from modelrollout.core.observation import Backend, ObservedRoute
from modelrollout.ports import Conflict, Released, Router, Unreachable
from tests.unit.rollout.world import manifest

ROUTE = ObservedRoute("1", (Backend("1", "digits-v1", 8000, 100),), "7")
SPEC = Spec.model_validate(manifest("1"))
HEADERS = Spec.model_validate(manifest("1", traffic=manifest()["traffic"] | {"testerHeader": "x-tester"}))


@dataclass
class Recorded:
    """A router over memory: what it holds, how it fails, and what was released."""

    route: ObservedRoute | None = None
    failure: Exception | None = None
    released: list[str] = field(default_factory=list)

    async def observe(self, _namespace: str, _name: str, _spec: Spec | None = None) -> ObservedRoute | None:
        if self.failure:
            raise self.failure
        return self.route

    async def release(self, _namespace: str, name: str, _observed: ObservedRoute) -> None:
        self.released.append(name)


class NoRoutes:
    """An API server without any route."""

    async def request(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"items": []}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> tuple[Recorded, Recorded, RegisteredRouters]:
    """Two routers, the first for specs with a tester header, the last for all; neither holds a route."""
    first, last = Recorded(), Recorded()
    kinds = {
        "special": RouterKind(
            lambda *_, **__: cast("Router", first),
            lambda spec: spec.traffic.tester_header is not None,
            (("a", "v1", "as"),),
        ),
        "default": RouterKind(lambda *_, **__: cast("Router", last), lambda _spec: True, (("b", "v1", "bs"),)),
    }
    monkeypatch.setattr(registry, "ROUTERS", kinds)
    api: Any = NoRoutes()
    return first, last, RegisteredRouters(api)


async def test_the_spec_decides_which_router_serves_it(made):
    first, last, routers = made
    first.route = last.route = ROUTE
    assert await routers.find("vision", "digits", HEADERS) == (first, ROUTE)
    assert await routers.find("vision", "digits", SPEC) == (last, ROUTE)


@pytest.mark.parametrize("holder", [0, 1])
async def test_without_a_spec_the_router_that_holds_the_route_is_found(made, holder: int):
    made[holder].route = ROUTE
    assert await made[2].find("vision", "digits", None) == (made[holder], ROUTE)


async def test_without_a_spec_somebody_elses_route_hides_none_of_ours(made):
    first, last, routers = made
    first.route = replace(ROUTE, foreign="it carries no mark")
    assert await routers.find("vision", "digits", None) == (first, first.route)
    last.route = ROUTE
    assert await routers.find("vision", "digits", None) == (last, ROUTE)


async def test_without_a_spec_or_a_route_the_default_is_taken(made):
    assert await made[2].find("vision", "digits", None) == (made[1], None)


@pytest.mark.parametrize("reason", ["KindMissing", "ApiTimeout"])
async def test_a_router_that_cannot_be_read_keeps_no_other_from_lowering(made, reason: Any):
    first, last, routers = made
    first.failure, last.route = Unreachable(reason, "away"), ROUTE
    assert await routers.find("vision", "digits", None) == (last, ROUTE)


async def test_no_route_is_not_concluded_from_one_that_cannot_be_read(made):
    made[0].failure = Unreachable("ApiTimeout", "away")
    with pytest.raises(Unreachable, match="away"):
        await made[2].find("vision", "digits", None)
    with pytest.raises(Unreachable, match="away"):
        await made[2].release("vision", "digits")


async def test_with_a_spec_only_its_router_is_asked(made):
    first, last, routers = made
    first.failure = Unreachable("ApiTimeout", "away")
    assert await routers.find("vision", "digits", SPEC) == (last, None)
    with pytest.raises(Unreachable):
        await routers.find("vision", "digits", HEADERS)


async def test_a_release_reaches_every_router_that_holds_a_route(made):
    first, last, routers = made
    first.route = last.route = ROUTE
    assert await routers.release("vision", "digits") == Released((first, last))
    assert first.released == last.released == ["digits"]


@pytest.mark.parametrize("failure", [Unreachable("ApiTimeout", "away"), Conflict("changed")])
async def test_a_release_that_fails_is_told_after_the_others_were_released(made, failure: Exception):
    first, last, routers = made
    first.failure, last.route = failure, ROUTE
    with pytest.raises(type(failure)):
        await routers.release("vision", "digits")
    assert last.released == ["digits"]


async def test_a_kind_that_is_not_served_keeps_no_resource_from_going(made):
    first, last, routers = made
    first.failure, last.route = Unreachable("KindMissing", "no such CRD"), ROUTE
    assert await routers.release("vision", "digits") == Released((last,))
    last.route = None
    with pytest.raises(Unreachable, match="no such CRD"):
        await routers.release("vision", "digits")


async def test_somebody_elses_route_is_left_as_it_is_and_keeps_no_other_from_its_release(made):
    first, last, routers = made
    first.route, last.route = replace(ROUTE, foreign="it carries no mark"), ROUTE
    left = "a route of this name was left as it is, for it is somebody else's: it carries no mark"
    assert await routers.release("vision", "digits") == Released((last,), (left,))
    assert (first.released, last.released) == ([], ["digits"])
    last.route, last.failure = None, Unreachable("KindMissing", "no such CRD")
    assert await routers.release("vision", "digits") == Released((), (left,))


def test_the_last_router_of_the_registry_serves_every_spec():
    assert all(list(ROUTERS.values())[-1].serves(spec) for spec in (SPEC, HEADERS))


def test_a_router_is_made_by_name_and_an_unknown_name_says_which_there_are():
    none: Any = None
    assert isinstance(router_for("gateway-api", none), ProtocolsRouter)
    with pytest.raises(ValueError, match="'smoke' is not known; choose one of gateway-api"):
        router_for("smoke", none)
