"""The writes of one pass, in their order: lower, record, raise, tell; no other place writes a route or a status."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from modelrollout.core import reasons
from modelrollout.core.analysis.metrics.postmortem import slots_for
from modelrollout.core.observation import Event, ObservedRoute
from modelrollout.core.rollout.decide import Decision
from modelrollout.core.rollout.phases import Trigger
from modelrollout.fair.tenant import urgent
from modelrollout.ports import Conflict, Subject, Superseded, Unreachable
from modelrollout.runtime.metrics import MemoryMetrics, Metrics
from modelrollout.runtime.recording.endings import Endings
from modelrollout.runtime.recording.record import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.spec import Spec
    from modelrollout.api.status import Status
    from modelrollout.ports import Clock, ObjectStore, Router
    from modelrollout.runtime.notifier import Notifier
    from modelrollout.runtime.outside.registrar import Registrars
    from modelrollout.runtime.postmortems import Postmortems
    from modelrollout.runtime.watch import Watch

log = logging.getLogger(__name__)
SOON, LATER = 1.0, 15.0
"""Seconds until a pass that could not write the route comes again, or one that could not write the whole status."""
ENDS = (Trigger.BREACH, Trigger.BAKED, Trigger.UNPROVEN, Trigger.PROMOTE, Trigger.ABORT, Trigger.CANDIDATE_UNSTABLE)


@dataclass
class Writer:
    """Carries out decisions."""

    store: ObjectStore
    notifier: Notifier
    clock: Clock
    leads: Callable[[], bool]
    """Asked just before every raise: a process that was stopped for a while may lead no more."""
    superseded: Callable[[str], None] = lambda _epoch: None
    """Told of the epoch of a newer leader that a route carries, after which it was not written."""
    postmortems: Postmortems | None = None
    metrics: Metrics = field(default_factory=MemoryMetrics)
    registrars: Registrars | None = None

    def __post_init__(self) -> None:
        name = "modelrollout_operator_{}_writes_total".format
        self._recorder = Recorder(self.notifier, self.clock, self.metrics)
        self._endings = Endings(self.metrics)
        self._route_writes = self.metrics.counter(name("route"), "Writes that changed a route", "verb")

    async def carry_out(
        self,
        watch: Watch,
        obj: dict[str, Any],
        spec: Spec | None,
        decision: Decision,
        found: tuple[Router, ObservedRoute | None],
        decide: Callable[[dict[str, Any]], Decision],
    ) -> float | None:
        """Lower before writing, raise after writing; a number is a pass that must come again soon.

        `decide` says what this pass decides on another reading of the object. A Conflict of the record ends the pass:
        the snapshots stay in focus, and the next pass decides again.
        """
        router = found[0]
        route, again = await self.lower(watch, decision, found)
        before = obj
        decision, obj, whole = await self._recorder.record(self.store, watch, obj, decision, decide)
        self._in_passing(lambda: self._begin_postmortem(watch, obj, decision))
        self._in_passing(lambda: self._endings.count(before, decision.status))
        if self.registrars is not None:
            self._in_passing(partial(self.registrars.follow, obj, decision.status))
        if not whole:
            again = again or LATER
        if again is None:
            again = await self._write_route(watch, obj, spec, decision, (router, route))
        for event in decision.events:
            self._in_passing(partial(self.notifier.tell, Subject.of(obj), event))
        if decision.consume_command:
            await self.store.consume_command(obj)
        return again

    def deleted(self, obj: dict[str, Any], status: Status) -> None:
        """What a registry says of a ModelRollout that is gone: nothing is tried any more."""
        if self.registrars is not None:
            self._in_passing(partial(self.registrars.follow, obj, status, gone=True))

    def forget(self, key: tuple[str, str]) -> None:
        """It is gone: what is known of it is of no use."""
        if self.registrars is not None:
            self.registrars.forget(key)

    async def close(self) -> None:
        """What has not left the cluster by now is not waited for."""
        await self.notifier.close()
        if self.registrars is not None:
            await self.registrars.close()

    async def lower(
        self, watch: Watch, decision: Decision, found: tuple[Router, ObservedRoute | None]
    ) -> tuple[ObservedRoute | None, float | None]:
        """The first write of a pass: the route after it, and how soon to come again where it did not get through."""
        router, route = found
        if decision.lower is None or route is None:
            return route, None
        try:
            with urgent():
                route = await router.lower(watch.namespace, watch.name, route, decision.lower)
        except Conflict:
            raise
        except Exception as error:  # a defect, too, leaves the record to be written and the next pass to try again
            if not isinstance(error, Unreachable):
                log.exception("%s/%s: lowering failed", watch.namespace, watch.name)
            else:
                log.warning("%s/%s: lowering did not get through: %s", watch.namespace, watch.name, error)
            watch.route_refused(str(error) or type(error).__name__)
            return route, SOON
        self._route_writes.add("lower")
        watch.route_written()
        watch.contests.left(route)
        return route, None

    def _in_passing(self, begin: Callable[[], None]) -> None:
        """What people are told is best effort: whatever is wrong with it, the writes go on."""
        try:
            begin()
        except Exception:  # any defect
            log.exception("an Event, a post-mortem or a registry was not begun")

    def _begin_postmortem(self, watch: Watch, obj: dict[str, Any], decision: Decision) -> None:
        """The distributions behind a promotion or a rollback, kept in the background.

        The next pass links them from the history entry, if they were kept by then.
        """
        request, history = watch.polling.request, decision.status.history
        ended = decision.trigger in ENDS and decision.status.rollout is None
        if self.postmortems is None or request is None or not ended or not request.steps or not history:
            return
        names, at = slots_for(watch.name, history[:-1]), history[-1].ended_at

        def link(name: str) -> None:
            watch.kept = (name, at)
            watch.wake.set()

        self.postmortems.begin(obj, names, request, self.clock.now(), link)

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
            return self._not_written(watch, error)
        watch.route_due = False
        moved = route is None or route.resource_version != after.resource_version
        weight = decision.status.weight
        watch.contests.left(after)
        if moved:
            self._route_writes.add("apply")
        if moved or weight.observed == weight.desired:  # a plan that leaves what stands has written nothing
            watch.route_written()
        return 0.0 if moved else None  # look at what stands now, and record it

    def _not_written(self, watch: Watch, error: Unreachable) -> float:
        log.warning("%s/%s: the route was not written: %s", watch.namespace, watch.name, error)
        if isinstance(error, Superseded):
            self.superseded(error.epoch)
        watch.route_due = True
        watch.route_refused(str(error))
        return SOON

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
