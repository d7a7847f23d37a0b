"""One pass: observe, decide, write; nothing is remembered between passes but snapshots."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from modelrollout.adapters.kubernetes.copies.known import Copies, answering
from modelrollout.api.config import OperatorConfig
from modelrollout.api.problems import Problem, check_against, read_spec, summary
from modelrollout.api.status import Status
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.core import reasons
from modelrollout.core.observation import Event, Observation, ObservedRoute
from modelrollout.core.rollout.decide import Decision, decide
from modelrollout.core.rollout.fallback.decision import decide_less
from modelrollout.ports import Conflict, GatewayFacts, Routers, Subject, Unreachable
from modelrollout.runtime.claiming.claims import Claims, judge_claim
from modelrollout.runtime.claiming.order import Order
from modelrollout.runtime.claiming.population import Population, judge_limits, judge_number
from modelrollout.runtime.exposition.rollouts import rows_of
from modelrollout.runtime.observing.parts import Parts
from modelrollout.runtime.observing.seen import observation, status_of
from modelrollout.runtime.polling_plan import next_wake, polling_plan
from modelrollout.runtime.waking.again import ReadAgain, moves_on
from modelrollout.runtime.writes import SOON, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.spec import Spec
    from modelrollout.dialects.dialect import Dialect
    from modelrollout.ports import Router
    from modelrollout.runtime.watch import PollingPlan, Watch

log = logging.getLogger(__name__)


@dataclass
class Reconciler:
    """Runs passes. One per process; a Watch per resource is handed in."""

    writer: Writer
    routers: Routers
    facts: GatewayFacts
    config: OperatorConfig
    claims: Claims = field(default_factory=Claims)
    population: Population = field(default_factory=Population)
    order: Order = field(default_factory=Order)
    stamped: bool = False
    """Whether the API server stamps who sends commands and changes versions (the chart's MutatingAdmissionPolicy)."""
    exported: bool = True
    """Whether anybody can scrape what is known of each rollout."""
    follow: Callable[..., None] = lambda *_, **__: None
    """Told after each pass whether what is shown of (namespace, name) should be kept from now on (`active`)."""

    async def run(self, watch: Watch) -> float | None:
        """One pass; returns the seconds until the next one, None when the resource is gone.

        What the API server has shown a moment ago is not read again, unless the pass does more than record figures.
        """
        try:
            return await self._pass(watch, Copies())
        except ReadAgain:
            return await self._pass(watch, None)

    async def _pass(self, watch: Watch, copies: Copies | None) -> float | None:
        store, clock = self.writer.store, self.writer.clock
        with answering(copies):
            obj = await store.get(watch.namespace, watch.name)
        if obj is None:
            self._forget(watch)
            return None
        if obj["metadata"].get("deletionTimestamp"):
            return await self._finalize(watch, obj)
        obj, refused = await self._kept(obj)
        watch.news.seen("resource", obj["metadata"].get("resourceVersion"))
        status, lost = status_of(obj)
        parts = Parts(f"{watch.namespace}/{watch.name}")
        spec, found, observe = await self._look(watch, obj, status, copies, parts)
        began = clock.now()
        observed = observe(obj, lost=lost)
        decision = _decide(watch, spec, status, observed, began, parts.failure)
        if refused is not None:
            await self.writer.lower(watch, decision, found)
            raise refused
        if copies is not None and copies.used and moves_on(status, decision, found[1]):
            raise ReadAgain

        def again(now: dict[str, Any]) -> Decision:
            watch.news.seen("resource", now["metadata"].get("resourceVersion"))
            status, lost = status_of(now)
            return _decide(watch, spec, status, observe(now, lost=lost), began, parts.failure)

        delay = await self.writer.carry_out(watch, obj, spec, decision, found, again)
        if self.exported:
            _show(watch, spec, found[1], decision.status)
        gateway = ("", None) if spec is None else await self._gateway(watch, spec)
        self._point(watch, polling_plan(watch, spec, decision.status, found[1], gateway))
        return delay if delay is not None else next_wake(self.config, spec, decision.status, observed, clock.now())

    async def _look(
        self, watch: Watch, obj: dict[str, Any], status: Status, copies: Copies | None, parts: Parts
    ) -> tuple[Spec | None, tuple[Router, ObservedRoute | None], Callable[..., Observation]]:
        """The spec, the route with its router, and what makes an Observation of the object, with `lost`."""
        spec, problem = self._spec_of(obj, parts)
        with answering(copies):
            found = await self.routers.find(watch.namespace, watch.name, spec)
        claimed = partial(self._claimed, obj, spec, problem, found[1], status)
        spec, problem, notices = parts.read(claimed, Claimed(spec, problem, ()))
        _read(watch, found[1])
        watch.route = _adopted(spec, found[1]) or ("" if spec is not None else watch.route)
        order = partial(self.order.look, self.writer.store, (watch.namespace, watch.name), spec, status, found[1])
        predecessor = await parts.ask(order, None)
        contested = parts.read(lambda: watch.contests.observed(found[1], self.writer.clock.now()), "")
        observe = partial(observation, watch, route=found[1], stamped=self.stamped)
        observe = partial(observe, problem=problem, notices=notices, contested=contested, predecessor=predecessor)
        return spec, found, observe

    async def _kept(self, obj: dict[str, Any]) -> tuple[dict[str, Any], Unreachable | None]:
        """The object with our finalizer; without, where it takes none, such as one that is older than its schema."""
        try:
            return await self.writer.store.add_finalizer(obj), None
        except Unreachable as error:
            return obj, error

    def _point(self, watch: Watch, plan: PollingPlan) -> None:
        """The pollers, and what is kept of what the API server shows."""
        watch.look_at(plan)
        self.follow(watch.namespace, watch.name, active=plan.request is not None)

    async def _finalize(self, watch: Watch, obj: dict[str, Any]) -> float | None:
        """Traffic to stable, the route stays; where that fails, the resource is released after giveUpAfter."""
        self._point(watch, polling_plan(watch, None, Status(), None))
        try:
            released = await self.routers.release(watch.namespace, watch.name)
            for why in released.left:
                told = Event(reasons.ROUTE_NOT_OURS, f"deleted; {why}", warning=True)
                self.writer.notifier.tell(Subject.of(obj), told)
        except Exception as error:  # whatever is wrong with its route, a deleted resource goes in the end
            if not isinstance(error, Conflict | Unreachable):
                log.exception("%s/%s: its release failed", watch.namespace, watch.name)
            since = parse_timestamp(obj["metadata"]["deletionTimestamp"])
            patience = self.config.give_up_after
            if self.writer.clock.now() - since < patience:
                return SOON
            text = f"deleted although traffic could not be put back on stable for {patience:.0f} s: {error}"
            self.writer.notifier.tell(Subject.of(obj), Event(reasons.RELEASE_FAILED, text, warning=True))
        await self.writer.store.drop_finalizer(obj)
        self.writer.deleted(obj, status_of(obj)[0])
        self._forget(watch)
        return None

    def _forget(self, watch: Watch) -> None:
        """It is gone: what it claimed is free, and there is room for another."""
        self.claims.forget((watch.namespace, watch.name))
        self.population.forget((watch.namespace, watch.name))
        self.order.forget((watch.namespace, watch.name))
        self.writer.forget((watch.namespace, watch.name))
        self.follow(watch.namespace, watch.name, active=False)

    def _spec_of(self, obj: dict[str, Any], parts: Parts) -> tuple[Spec | None, str | None]:
        unread: tuple[Spec | None, str | None] = (None, "the spec could not be read")
        spec, problem = parts.read(partial(read_spec, obj), unread)
        unchecked: list[Problem] = []
        problems = parts.read(lambda: check_against(spec, self.config) if spec is not None else [], unchecked)
        return (None, summary(problems)) if problems else (spec, problem)

    def _claimed(
        self, obj: dict[str, Any], spec: Spec | None, problem: str | None, route: ObservedRoute | None, status: Status
    ) -> Claimed:
        """The spec, unless it claims what it may not have and does not have yet; what is only said."""
        older, namespace = self.population.older_than(obj), str(obj["metadata"].get("namespace"))
        if spec is None:
            return Claimed(None, problem, ())
        judged = (
            judge_number(older, self.config.limits.most_resources, namespace, route),
            judge_limits(spec, self.config, status),
            judge_claim(self.claims, self.config, obj, spec, route),
        )
        why = next((why for why, _ in judged if why), "")
        return (
            Claimed(None, why, ())
            if why
            else Claimed(spec, problem, tuple(text for _, said in judged for text in said))
        )

    async def _gateway(self, watch: Watch, spec: Spec) -> tuple[str, Dialect | None]:
        """Its controller, and how it counts. Asked after every write: no lowering waits for it."""
        controller = await self.facts.controller_of(watch.namespace, spec)
        dialect = self.config.dialect_of(controller)
        if spec.mirrored is not None:
            listed = await self.facts.features_of(watch.namespace, spec)
            features = self.config.features_of(controller, listed)
            if features != watch.features:
                watch.features = features
                watch.wake.set()
        known = watch.version_header
        if controller:
            watch.version_header = dialect is not None and dialect.version_header
        if watch.version_header and not known:
            watch.wake.set()
        return controller, dialect


class Claimed(NamedTuple):
    """What is left of a spec that was judged: itself, or why it is refused; what is only said."""

    spec: Spec | None
    problem: str | None
    notices: tuple[str, ...]


def _read(watch: Watch, route: ObservedRoute | None) -> None:
    for version in route.versions if route else (None,):
        watch.news.seen("route", version)


def _show(watch: Watch, spec: Spec | None, route: ObservedRoute | None, status: Status) -> None:
    """What is exported of this rollout; best effort, for no traffic depends on it."""
    try:
        seen = watch.evaluation, watch.outage
        watch.shown = rows_of((watch.namespace, watch.name), spec, (route.model if route else "") or "", status, seen)
    except Exception:  # any defect: a pass that has done its writes has not failed
        log.exception("%s/%s: its metrics could not be made", watch.namespace, watch.name)


def _adopted(spec: Spec | None, route: ObservedRoute | None) -> str:
    """Name of the adopted route whose changes wake this resource, whether it is there or not."""
    if spec is not None:
        return spec.traffic.adopt.name if spec.traffic.adopt is not None else ""
    return route.git.route if route is not None and route.git is not None else ""


def _decide(
    watch: Watch, spec: Spec | None, status: Status, observed: Observation, now: float, failure: Exception | None
) -> Decision:
    """decide(), and where that or what it needs fails what still lowers: a defect must not keep a candidate's traffic.

    `failure` is what part of the observation could not be made of.
    """
    if failure is not None:
        return decide_less(spec, status, observed, now, failure)
    try:
        return decide(spec, status, observed, now)
    except Exception as error:  # any defect: the fallback reads only what it needs
        log.exception("%s/%s: the decision could not be built; only lowering is done", watch.namespace, watch.name)
        return decide_less(spec, status, observed, now, error)
