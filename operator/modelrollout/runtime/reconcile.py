"""One pass: observe, decide, write; nothing is remembered between passes but snapshots."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from modelrollout.adapters.kubernetes.command_annotation import VERSION_BY, claimed_by, command_of, stamp_of, stamped_by
from modelrollout.adapters.kubernetes.copies.known import Copies, answering
from modelrollout.api.config import OperatorConfig
from modelrollout.api.problems import check_against, read_spec, summary
from modelrollout.api.status import Status
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.core import reasons
from modelrollout.core.observation import Command, Event, MalformedCommand, Observation, ObservedRoute
from modelrollout.core.rollout.decide import Decision, decide
from modelrollout.core.rollout.fallback.decision import decide_less
from modelrollout.ports import Conflict, GatewayFacts, Routers, Subject, Unreachable
from modelrollout.runtime.claiming.claims import Claims, judge_claim
from modelrollout.runtime.claiming.order import Order
from modelrollout.runtime.claiming.population import Population, judge_limits, judge_number
from modelrollout.runtime.exposition.rollouts import rows_of
from modelrollout.runtime.polling_plan import next_wake, polling_plan
from modelrollout.runtime.waking.again import ReadAgain, moves_on
from modelrollout.runtime.writes import SOON, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.spec import Spec
    from modelrollout.core.predecessor import Predecessor
    from modelrollout.dialects.dialect import Dialect
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
        status, lost = _status_of(obj)
        spec, problem = self._spec_of(obj)
        with answering(copies):
            found = await self.routers.find(watch.namespace, watch.name, spec)
        spec, problem, notices = self._claimed(obj, spec, problem, found[1], status)
        _read(watch, found[1])
        began = clock.now()
        watch.route = _adopted(spec, found[1]) or ("" if spec is not None else watch.route)
        predecessor = await self.order.look(store, (watch.namespace, watch.name), spec, status, found[1])
        observe = partial(self._observer(watch, found[1], problem, notices, began), predecessor=predecessor)
        observed = observe(obj, lost=lost)
        decision = _decide(watch, spec, status, observed, began)
        if refused is not None:
            await self.writer.lower(watch, decision, found)
            raise refused
        if copies is not None and copies.used and moves_on(status, decision, found[1]):
            raise ReadAgain

        def again(now: dict[str, Any]) -> Decision:
            watch.news.seen("resource", now["metadata"].get("resourceVersion"))
            status, lost = _status_of(now)
            return _decide(watch, spec, status, observe(now, lost=lost), began)

        delay = await self.writer.carry_out(watch, obj, spec, decision, found, again)
        if self.exported:
            _show(watch, spec, found[1], decision.status)
        gateway = ("", None) if spec is None else await self._gateway(watch, spec)
        self._point(watch, polling_plan(watch, spec, decision.status, found[1], gateway))
        return delay if delay is not None else next_wake(self.config, spec, decision.status, observed, clock.now())

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

    def _observer(
        self, watch: Watch, route: ObservedRoute | None, problem: str | None, notices: tuple[str, ...], now: float
    ) -> Callable[..., Observation]:
        """What makes an Observation of the object; `lost`: why its status could not be read."""
        contested = watch.contests.observed(route, now)
        return partial(
            _observation,
            watch,
            route=route,
            problem=problem,
            notices=notices,
            contested=contested,
            stamped=self.stamped,
        )

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
        self.writer.deleted(obj, _status_of(obj)[0])
        self._forget(watch)
        return None

    def _forget(self, watch: Watch) -> None:
        """It is gone: what it claimed is free, and there is room for another."""
        self.claims.forget((watch.namespace, watch.name))
        self.population.forget((watch.namespace, watch.name))
        self.order.forget((watch.namespace, watch.name))
        self.writer.forget((watch.namespace, watch.name))
        self.follow(watch.namespace, watch.name, active=False)

    def _spec_of(self, obj: dict[str, Any]) -> tuple[Spec | None, str | None]:
        spec, problem = read_spec(obj)
        if spec is not None:
            problems = check_against(spec, self.config)
            if problems:
                return None, summary(problems)
        return spec, problem

    def _claimed(
        self, obj: dict[str, Any], spec: Spec | None, problem: str | None, route: ObservedRoute | None, status: Status
    ) -> tuple[Spec | None, str | None, tuple[str, ...]]:
        """The spec, unless it claims what it may not have and does not have yet; what is only said."""
        older, namespace = self.population.older_than(obj), str(obj["metadata"].get("namespace"))
        if spec is None:
            return None, problem, ()
        judged = (
            judge_number(older, self.config.limits.most_resources, namespace, route),
            judge_limits(spec, self.config, status),
            judge_claim(self.claims, self.config, obj, spec, route),
        )
        why = next((why for why, _ in judged if why), "")
        return (None, why, ()) if why else (spec, problem, tuple(text for _, said in judged for text in said))

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


def _observation(
    watch: Watch,
    obj: dict[str, Any],
    *,
    route: ObservedRoute | None,
    problem: str | None,
    notices: tuple[str, ...],
    lost: str | None,
    contested: str,
    stamped: bool,
    predecessor: Predecessor | None,
) -> Observation:
    return Observation(
        generation=obj["metadata"].get("generation", 0),
        route=route,
        readiness=watch.ready(),
        evaluation=watch.evaluation,
        outage=watch.outage,
        command=_command_of(watch, obj, stamped=stamped),
        version_by=stamp_of(obj, VERSION_BY) if stamped else "",
        problem=problem,
        notices=notices,
        status_lost=lost,
        refusals=watch.refusals,
        refusal=watch.refusal,
        version_header=watch.version_header,
        prober=watch.probing.known,
        contested=contested,
        features=watch.features,
        predecessor=predecessor,
    )


def _adopted(spec: Spec | None, route: ObservedRoute | None) -> str:
    """Name of the adopted route whose changes wake this resource, whether it is there or not."""
    if spec is not None:
        return spec.traffic.adopt.name if spec.traffic.adopt is not None else ""
    return route.git.route if route is not None and route.git is not None else ""


def _decide(watch: Watch, spec: Spec | None, status: Status, observed: Observation, now: float) -> Decision:
    """decide(), and where that fails what still lowers: a defect must not keep a candidate's traffic."""
    try:
        return decide(spec, status, observed, now)
    except Exception as error:  # any defect: the fallback reads only what it needs
        log.exception("%s/%s: the decision could not be built; only lowering is done", watch.namespace, watch.name)
        return decide_less(spec, status, observed, now, error)


def _command_of(watch: Watch, obj: dict[str, Any], *, stamped: bool) -> Command | MalformedCommand | None:
    try:
        found = command_of(obj)
        if not isinstance(found, Command):
            return found
        return stamped_by(obj, found) if stamped else claimed_by(found)
    except Exception:  # any defect: what cannot even be refused must stop no breach and no lost candidate
        log.exception("%s/%s: the command could not be read", watch.namespace, watch.name)
        return None


def _status_of(obj: dict[str, Any]) -> tuple[Status, str | None]:
    """The stored status, or an empty one with what was wrong: then the route decides who is stable."""
    try:
        return Status.model_validate(obj.get("status") or {}), None
    except ValidationError as error:
        why = f"{error.error_count()} problems): {error.errors(include_url=False, include_input=False)[0]['msg']}"
    except Exception as error:  # noqa: BLE001 - a status is JSON that anybody with the right may write
        why = f"{type(error).__name__})"
    return Status(), f"the status cannot be read ({why}"
