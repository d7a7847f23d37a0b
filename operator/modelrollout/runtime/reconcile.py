"""One pass: observe, decide, lower, record, raise, tell; nothing is remembered between passes but snapshots."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from modelrollout.adapters.kubernetes.command_annotation import command_of
from modelrollout.api.config import OperatorConfig
from modelrollout.api.problems import check_against, read_spec, summary
from modelrollout.api.status import Status, dump
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.core import reasons
from modelrollout.core.analysis.metrics.postmortem import slot_for
from modelrollout.core.observation import Event, Observation, ObservedRoute
from modelrollout.core.rollout import phases
from modelrollout.core.rollout.changes import with_snapshot
from modelrollout.core.rollout.decide import Decision, decide
from modelrollout.core.rollout.phases import Trigger
from modelrollout.dialects.registry import NO_DIALECT
from modelrollout.ports import Clock, Cluster, Conflict, Router, Unreachable
from modelrollout.runtime.polling_plan import next_wake, polling_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.spec import Spec
    from modelrollout.runtime.postmortems import Postmortems
    from modelrollout.runtime.watch import Watch

log = logging.getLogger(__name__)
SOON = 1.0
ENDS = (Trigger.BREACH, Trigger.BAKED, Trigger.PROMOTE, Trigger.ABORT, Trigger.CANDIDATE_UNSTABLE)


@dataclass
class Reconciler:
    """Runs passes. One per process; a Watch per resource is handed in."""

    cluster: Cluster
    router: Router
    clock: Clock
    config: OperatorConfig
    leads: Callable[[], bool]
    """Asked just before every raise: a process that was stopped for a while may lead no more."""
    postmortems: Postmortems | None = None

    def __post_init__(self) -> None:
        self._telling: set[asyncio.Task[None]] = set()

    async def run(self, watch: Watch) -> float | None:
        """One pass; returns the seconds until the next one is due, None when the resource is gone."""
        obj = await self.cluster.get(watch.namespace, watch.name)
        if obj is None:
            return None
        if obj["metadata"].get("deletionTimestamp"):
            return await self._finalize(watch, obj)
        obj = await self.cluster.add_finalizer(obj)
        status, lost = _status_of(obj)
        spec, problem = self._spec_of(obj)
        route = await self.router.observe(watch.namespace, watch.name)
        observed = self._observation(watch, obj, route, problem=problem, lost=lost)
        decision = decide(spec, status, observed, self.clock.now())
        delay = await self._act(watch, obj, spec, decision, route)
        dialect = await self._dialect(watch, spec, decision.status)
        watch.look_at(polling_plan(watch, spec, decision.status, route, dialect))
        return delay if delay is not None else next_wake(self.config, spec, decision.status, observed, self.clock.now())

    async def _act(
        self,
        watch: Watch,
        obj: dict[str, Any],
        spec: Spec | None,
        decision: Decision,
        route: ObservedRoute | None,
    ) -> float | None:
        """Lower before writing, raise after writing; a number is a pass that must come again soon.

        A Conflict of the record ends the pass: the snapshots stay in focus, and the next one decides anew.
        """
        again: float | None = None
        if decision.lower is not None and route is not None:
            try:
                route = await self.router.lower(watch.namespace, watch.name, route, decision.lower)
                watch.route_written()
            except Unreachable as error:
                log.warning("%s/%s: lowering did not get through: %s", watch.namespace, watch.name, error)
                watch.route_refused(str(error))
                again = SOON
        decision = await self._keep_snapshot(watch, obj, decision)
        obj = await self.cluster.write_status(obj, dump(decision.status))
        if again is None:
            again = await self._write_route(watch, obj, spec, decision, route)
        self._tell(obj, decision)
        if decision.consume_command:
            await self.cluster.consume_command(obj)
        return again

    async def _keep_snapshot(self, watch: Watch, obj: dict[str, Any], decision: Decision) -> Decision:
        """The distributions behind a promotion or a rollback; its history entry refers to them if they were kept."""
        request, history = watch.polling.request, decision.status.history
        ended = decision.trigger in ENDS and decision.status.rollout is None
        if self.postmortems is None or request is None or not ended or not request.steps:
            return decision
        name = slot_for(watch.name, history[:-1])
        if not await self.postmortems.keep(obj, name, request, self.clock.now()):
            return decision
        return replace(decision, status=with_snapshot(decision.status, name))

    async def _write_route(
        self, watch: Watch, obj: dict[str, Any], spec: Spec | None, decision: Decision, route: ObservedRoute | None
    ) -> float | None:
        """The route writes after the record, fenced by what was read before it; none by a leader that is none."""
        if not self.leads():
            watch.route_due = True
            return SOON
        try:
            if route is not None:
                route = await self.router.claim(watch.namespace, watch.name, route)
            if spec is None or decision.route is None:
                return None
            self._note_change(watch, obj, spec, decision, route)
            after = await self.router.apply(watch.namespace, watch.name, spec, decision.route, route)
        except Conflict:
            watch.route_due = True
            return 0.0
        except Unreachable as error:
            log.warning("%s/%s: the route was not written: %s", watch.namespace, watch.name, error)
            watch.route_due = True
            watch.route_refused(str(error))
            return SOON
        watch.route_due = False
        moved = route is None or route.resource_version != after.resource_version
        weight = decision.status.weight
        if moved or weight.observed == weight.desired:  # a plan that leaves what stands has written nothing
            watch.route_written()
        return 0.0 if moved else None  # look at what stands now, and record it

    def _note_change(
        self, watch: Watch, obj: dict[str, Any], spec: Spec, decision: Decision, route: ObservedRoute | None
    ) -> None:
        """An Event where the route is not what this resource says, for no reason that has an Event already."""
        assert decision.route is not None
        structure = self.router.structure(watch.namespace, watch.name, spec, decision.route)
        if route is None or route.structure == structure or decision.trigger is not None or decision.events:
            return
        if watch.route_due:
            return  # what differs is our own write, which did not get through the last time
        text = "the route's rules were not the ones of this resource (or its spec changed): written anew"
        self._emit(obj, Event(reasons.ROUTE_CHANGED, f"{text}; last written by {route.manager or 'nobody known'}"))

    async def _finalize(self, watch: Watch, obj: dict[str, Any]) -> float | None:
        """Traffic to stable, the route stays; a world that does not allow it is let go of after giveUpAfter."""
        watch.look_at(polling_plan(watch, None, Status(), None, None))
        try:
            route = await self.router.observe(watch.namespace, watch.name)
            if route is not None:
                await self.router.release(watch.namespace, watch.name, route)
        except (Conflict, Unreachable) as error:
            since = parse_timestamp(obj["metadata"]["deletionTimestamp"])
            patience = self.config.give_up_after
            if self.clock.now() - since < patience:
                return SOON
            text = f"deleted without putting traffic back on stable, which failed for {patience:.0f} s: {error}"
            self._emit(obj, Event(reasons.RELEASE_FAILED, text, warning=True))
        await self.cluster.drop_finalizer(obj)
        return None

    def _spec_of(self, obj: dict[str, Any]) -> tuple[Spec | None, str | None]:
        spec, problem = read_spec(obj)
        if spec is not None:
            problems = check_against(spec, self.config)
            if problems:
                return None, summary(problems)
        return spec, problem

    def _observation(
        self,
        watch: Watch,
        obj: dict[str, Any],
        route: ObservedRoute | None,
        *,
        problem: str | None,
        lost: str | None,
    ) -> Observation:
        return Observation(
            generation=obj["metadata"].get("generation", 0),
            route=route,
            readiness=watch.ready(),
            evaluation=watch.evaluation,
            outage=watch.outage,
            command=command_of(obj),
            problem=problem,
            status_lost=lost,
            refusals=watch.refusals,
            refusal=watch.refusal,
        )

    async def _dialect(self, watch: Watch, spec: Spec | None, status: Status) -> str | None:
        if spec is None or not phases.running(status.phase):
            return None
        controller = await self.cluster.dialect_of(watch.namespace, spec)
        return self.config.dialects.get(controller, NO_DIALECT)

    def _tell(self, obj: dict[str, Any], decision: Decision) -> None:
        for event in decision.events:
            self._emit(obj, event)

    def _emit(self, obj: dict[str, Any], event: Event) -> None:
        """Events wait for nobody and nobody waits for them."""
        task = asyncio.create_task(self.cluster.emit(obj, event))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _status_of(obj: dict[str, Any]) -> tuple[Status, str | None]:
    """The stored status, or an empty one with what was wrong: then the route decides who is stable."""
    try:
        return Status.model_validate(obj.get("status") or {}), None
    except ValidationError as error:
        return (
            Status(),
            f"the status cannot be read ({error.error_count()} problems): {error.errors()[0]['msg']}",
        )
