"""The writes of one pass, in their order: lower, record, raise, tell; no other place writes a route or a status."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from modelrollout.api.changes import with_snapshot
from modelrollout.api.status import dump
from modelrollout.core import reasons
from modelrollout.core.analysis.metrics.postmortem import slot_for
from modelrollout.core.observation import Event, ObservedRoute
from modelrollout.core.rollout.decide import Decision
from modelrollout.core.rollout.phases import Trigger
from modelrollout.ports import Conflict, Subject, Unreachable
from modelrollout.runtime.metrics import MemoryMetrics, Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.spec import Spec
    from modelrollout.ports import Clock, ObjectStore, Router
    from modelrollout.runtime.notifier import Notifier
    from modelrollout.runtime.postmortems import Postmortems
    from modelrollout.runtime.watch import Watch

log = logging.getLogger(__name__)
SOON = 1.0
"""Seconds until a pass that could not write the route comes again."""
ENDS = (Trigger.BREACH, Trigger.BAKED, Trigger.PROMOTE, Trigger.ABORT, Trigger.CANDIDATE_UNSTABLE)


@dataclass
class Writer:
    """Carries out decisions."""

    store: ObjectStore
    notifier: Notifier
    clock: Clock
    leads: Callable[[], bool]
    """Asked just before every raise: a process that was stopped for a while may lead no more."""
    postmortems: Postmortems | None = None
    metrics: Metrics = field(default_factory=MemoryMetrics)

    def __post_init__(self) -> None:
        name = "modelrollout_operator_{}_writes_total".format
        self._status_writes = self.metrics.counter(name("status"), "Statuses recorded, or left as they were", "outcome")
        self._route_writes = self.metrics.counter(name("route"), "Writes that changed a route", "verb")

    async def carry_out(
        self,
        watch: Watch,
        obj: dict[str, Any],
        spec: Spec | None,
        decision: Decision,
        found: tuple[Router, ObservedRoute | None],
    ) -> float | None:
        """Lower before writing, raise after writing; a number is a pass that must come again soon.

        A Conflict of the record ends the pass: the snapshots stay in focus, and the next pass decides again.
        """
        router, route = found
        again: float | None = None
        if decision.lower is not None and route is not None:
            try:
                route = await router.lower(watch.namespace, watch.name, route, decision.lower)
                self._route_writes.add("lower")
                watch.route_written()
            except Unreachable as error:
                log.warning("%s/%s: lowering did not get through: %s", watch.namespace, watch.name, error)
                watch.route_refused(str(error))
                again = SOON
        decision = await self._keep_snapshot(watch, obj, decision)
        written = await self.store.write_status(obj, dump(decision.status))
        self._status_writes.add("unchanged" if written is obj else "written")
        obj = written
        if again is None:
            again = await self._write_route(watch, obj, spec, decision, (router, route))
        for event in decision.events:
            self.notifier.tell(Subject.of(obj), event)
        if decision.consume_command:
            await self.store.consume_command(obj)
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
        self,
        watch: Watch,
        obj: dict[str, Any],
        spec: Spec | None,
        decision: Decision,
        found: tuple[Router, ObservedRoute | None],
    ) -> float | None:
        """The route writes after the record, fenced by what was read before it; none by a leader that is none."""
        if not self.leads():
            watch.route_due = True
            return SOON
        router, route = found
        if route is not None and route.foreign:
            return None
        try:
            if route is not None:
                route = await router.claim(watch.namespace, watch.name, route)
            if spec is None or decision.route is None:
                return None
            structure = router.structure(watch.namespace, watch.name, spec, decision.route)
            if _changed_by_others(watch, decision, route, structure):
                self._tell_of_change(obj, route)
            after = await router.apply(watch.namespace, watch.name, spec, decision.route, route)
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
        if moved:
            self._route_writes.add("apply")
        if moved or weight.observed == weight.desired:  # a plan that leaves what stands has written nothing
            watch.route_written()
        return 0.0 if moved else None  # look at what stands now, and record it

    def _tell_of_change(self, obj: dict[str, Any], route: ObservedRoute | None) -> None:
        text = "the route's rules were not those of this resource, or its spec changed: written again"
        who = (route.manager if route else "") or "nobody known"
        self.notifier.tell(Subject.of(obj), Event(reasons.ROUTE_CHANGED, f"{text}; last written by {who}"))


def _changed_by_others(watch: Watch, decision: Decision, route: ObservedRoute | None, structure: str) -> bool:
    """Whether the route is not what this resource says, for no reason that has an Event already.

    Where a write of our own did not get through the last time, what differs is that write.
    """
    if route is None or route.structure == structure or watch.route_due:
        return False
    return decision.trigger is None and not decision.events
