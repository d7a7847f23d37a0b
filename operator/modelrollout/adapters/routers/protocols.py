"""The routes of one resource, one for each protocol, kept in step: lowering any waits for no other, raising for all.

Where a gateway has no GRPCRoute, gRPC goes through an HTTPRoute of its own; what stands already is kept as it is. A
route of ours whose protocol the spec no longer names leads to stable alone, and is left for people to delete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from modelrollout.adapters.routers.forms.form import GRPC, H2C, HTTP, Form
from modelrollout.adapters.routers.gateway_api import GatewayApiRouter
from modelrollout.adapters.routers.leftover import bring_to_stable
from modelrollout.adapters.routers.support import grpc_form
from modelrollout.core.observation import ObservedRoute, ObservedRoutes, RoutePlan, as_one
from modelrollout.ports import Conflict, Superseded, Unreachable

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.api.spec import Spec

_T = TypeVar("_T")
_NOT_THERE = ("KindMissing", "ApiForbidden")
"""Failures to read a route that nobody asked for by which none of ours can be there: it could not have been written."""


@dataclass
class _Found:
    """What one look found of a resource's routes."""

    parts: dict[Form, ObservedRoute] = field(default_factory=dict)
    """Ours, of the protocols that are split."""
    left: dict[Form, ObservedRoute] = field(default_factory=dict)
    """Ours, of other protocols."""
    foreign: dict[Form, ObservedRoute] = field(default_factory=dict)
    """Somebody else's under a name that is wanted."""
    unread: dict[Form, Exception] = field(default_factory=dict)
    """What is wanted and could not be read."""
    absent: tuple[str, ...] = ()
    taken: dict[Form, ObservedRoute] = field(default_factory=dict)
    """Somebody else's under a name that is wanted only where a gateway has no GRPCRoute."""

    @property
    def ours(self) -> dict[Form, ObservedRoute]:
        return self.parts | self.left


class ProtocolsRouter:
    """The Router of ports.py over all routes of a resource. `epoch` as for GatewayApiRouter."""

    def __init__(self, api: Api, *, epoch: str | Callable[[], str] = "") -> None:
        self._api = api
        self._routers = {form: GatewayApiRouter(api, epoch=epoch, form=form) for form in (HTTP, GRPC, H2C)}
        self._seen: dict[tuple[str, str], _Found] = {}
        """By resource, the last look at it: which object each part of a route stands for."""

    async def observe(self, namespace: str, name: str, spec: Spec | None = None) -> ObservedRoute | None:
        """The routes as one, or None where there is none. Raises Unreachable where none that is wanted can be read."""
        key = namespace, name
        forms = self._worth_a_look(spec, self._seen.get(key))
        answers = await _each(self._routers[form].observe(namespace, name) for form in forms)
        found = _sorted(dict(zip(forms, answers, strict=True)), spec, namespace, name)
        self._seen[key] = found
        if not found.ours and found.unread:
            raise next(iter(found.unread.values()))
        if not found.ours and found.foreign:
            return next(iter(found.foreign.values()))
        return as_one(tuple(found.parts.values()), found.absent, tuple(found.left.values()))

    async def lower(self, namespace: str, name: str, observed: ObservedRoute, plan: RoutePlan) -> ObservedRoute:
        """As GatewayApiRouter.lower, on every route of ours at once; a failure of one is raised when all have tried."""
        found = self._of(namespace, name, observed)
        stable_alone = RoutePlan(plan.stable)
        written = await _each(
            self._routers[form].lower(namespace, name, part, stable_alone if form in found.left else plan)
            for form, part in (found.ours or found.foreign).items()
        )
        return self._after(namespace, name, found, dict(zip(found.ours or found.foreign, written, strict=True)))

    async def apply(
        self, namespace: str, name: str, spec: Spec, plan: RoutePlan, observed: ObservedRoute | None
    ) -> ObservedRoute:
        """As GatewayApiRouter.apply, on every route that the spec asks for; none is written unless all may be."""
        found = self._of(namespace, name, observed)
        self._refuse_halves(found)
        parts: dict[Form, ObservedRoute | None] = dict(found.parts)
        key = namespace, name
        missing = await self._to_create(namespace, spec, found)
        _refuse_others(missing, self._seen.get(key, found).taken)
        parts |= dict.fromkeys(missing)
        writes = [self._routers[form].apply(*key, spec, plan, part) for form, part in parts.items()]
        others = [bring_to_stable(self._routers[form], key, spec, plan, one) for form, one in found.left.items()]
        written = await _each((*writes, *others))
        after = dict(zip((*parts, *found.left), written, strict=True))
        return self._after(namespace, name, _Found(found.parts, found.left), after)

    async def claim(self, namespace: str, name: str, observed: ObservedRoute) -> ObservedRoute:
        """As GatewayApiRouter.claim, on every route of ours."""
        found = self._of(namespace, name, observed)
        self._refuse_halves(found)
        written = await _each(self._routers[form].claim(namespace, name, part) for form, part in found.ours.items())
        return self._after(namespace, name, found, dict(zip(found.ours, written, strict=True)))

    async def release(self, namespace: str, name: str, observed: ObservedRoute) -> None:
        """As GatewayApiRouter.release, on every route of ours; what could not be read is raised after that."""
        found = self._of(namespace, name, observed)
        written = await _each(
            self._routers[form].release(namespace, name, part)
            for form, part in (found.ours or found.foreign).items()  # of somebody else's it says so
        )
        _raise_first((*written, *found.unread.values()))
        self._seen.pop((namespace, name), None)

    def structure(self, namespace: str, name: str, spec: Spec, plan: RoutePlan) -> str:
        """Digest of everything but the weights, comparable with that of what was observed last."""
        found = self._seen.get((namespace, name), _Found())
        forms = list(found.parts) or ([HTTP] if spec.traffic.has_http else [GRPC])
        parts = [self._routers[form].structure(namespace, name, spec, plan) for form in forms]
        return " ".join((*parts, *(route.structure for route in found.left.values())))

    def _worth_a_look(self, spec: Spec | None, before: _Found | None) -> tuple[Form, ...]:
        """Which objects may be there: of a protocol that is not split, only what the look before has found."""
        if spec is None or before is None:
            return HTTP, GRPC, H2C
        wanted = [form for form in (HTTP, GRPC, H2C) if _wants(spec, form)]
        return tuple(form for form in (HTTP, GRPC, H2C) if form in wanted or form in before.ours)

    def _of(self, namespace: str, name: str, observed: ObservedRoute | None) -> _Found:
        """The look that `observed` came from: a decision is carried out on what it was made on."""
        if observed is None:
            return _Found()
        found = self._seen.get((namespace, name), _Found())
        if isinstance(observed, ObservedRoutes):
            parts = dict(zip(found.parts, observed.parts, strict=False))
            return _Found(parts, dict(zip(found.left, observed.left, strict=False)), found.foreign, found.unread)
        if observed.foreign:
            return _Found(foreign={next(iter(found.foreign), HTTP): observed})
        return _Found({next(iter(found.parts), HTTP): observed}, {}, found.foreign, found.unread)

    async def _to_create(self, namespace: str, spec: Spec, found: _Found) -> list[Form]:
        missing = [HTTP] if spec.traffic.has_http and HTTP not in found.parts else []
        if spec.traffic.has_grpc and not {GRPC, H2C} & set(found.parts):
            missing.append(await grpc_form(self._api, namespace, spec))
        return missing

    def _refuse_halves(self, found: _Found) -> None:
        """A raise that could be written to one route alone is written to none."""
        for error in found.unread.values():
            raise error
        _refuse_others(found.foreign, found.foreign)
        for form, route in found.ours.items():
            self._routers[form].refuse_if_not_ours_to_write(route)

    def _after(
        self, namespace: str, name: str, found: _Found, written: dict[Form, ObservedRoute | BaseException]
    ) -> ObservedRoute:
        _raise_first(written.values())
        routes = {form: route for form, route in written.items() if isinstance(route, ObservedRoute)}
        left = {form: route for form, route in routes.items() if form in found.left}
        parts = {form: route for form, route in routes.items() if form not in left}
        self._seen[namespace, name] = _Found(parts, left, found.foreign, found.unread)
        route = as_one(tuple(parts.values()), (), tuple(left.values()))
        assert route is not None
        return route


def _refuse_others(forms: Iterable[Form], others: dict[Form, ObservedRoute]) -> None:
    """What somebody else has under a name that we need is left as it is, and said."""
    for form in forms:
        if form in others:
            text = f"the {form.kind} is somebody else's and left as it is: {others[form].foreign}"
            raise Unreachable("RouteNotOurs", text)


async def _each(calls: Iterable[Coroutine[Any, Any, _T]]) -> list[_T | BaseException]:
    """The answer or the failure of each, all of them at once; a lone one costs no task."""
    every = list(calls)
    if len(every) != 1:
        return await asyncio.gather(*every, return_exceptions=True)
    try:
        return [await every[0]]
    except Exception as error:  # noqa: BLE001 - as gather hands it back
        return [error]


def _wants(spec: Spec, form: Form) -> bool:
    return form.protocol in spec.traffic.protocols


def _sorted(
    answers: dict[Form, ObservedRoute | BaseException | None], spec: Spec | None, namespace: str, name: str
) -> _Found:
    """What the answers mean under `spec`; without one, all that is there counts as wanted."""
    found = _Found()
    for form, answer in answers.items():
        wanted = spec is None or _wants(spec, form)
        if isinstance(answer, ObservedRoute):
            if not answer.foreign:
                (found.parts if wanted else found.left)[form] = answer
            elif wanted:
                (found.taken if form is H2C else found.foreign)[form] = answer
        elif isinstance(answer, BaseException) and not isinstance(answer, Conflict | Unreachable):
            raise answer
        elif (isinstance(answer, Unreachable) and _matters(form, answer, spec)) or isinstance(answer, Conflict):
            found.unread[form] = answer
    return found if spec is None else _with_absent(found, spec, namespace, name)


def _matters(form: Form, error: Unreachable, spec: Spec | None) -> bool:
    """Whether a route of ours may be there though it cannot be read."""
    if form is GRPC and error.reason == "KindMissing":
        return False
    wanted = spec is None or _wants(spec, form)
    return form is HTTP if spec is None and error.reason in _NOT_THERE else wanted or error.reason not in _NOT_THERE


def _with_absent(found: _Found, spec: Spec, namespace: str, name: str) -> _Found:
    if GRPC in found.parts and H2C in found.parts:  # a person made one of the two: ours was made for this gateway first
        found.left[H2C] = found.parts.pop(H2C)
    there = {form.protocol for form in (*found.parts, *found.foreign, *found.unread)}
    found.absent = tuple(
        f"the {form.kind} {form.named(namespace, name)}"
        for form in (HTTP, GRPC)
        if _wants(spec, form) and form.protocol not in there
    )
    return found


def _raise_first(results: Iterable[object]) -> None:
    """The first failure; another leader's epoch before all others, and a defect before what may pass."""
    failures = [one for one in results if isinstance(one, BaseException)]
    for kinds in (Superseded, Exception):
        for failure in failures:
            if isinstance(failure, kinds):
                raise failure
    for failure in failures:
        raise failure
