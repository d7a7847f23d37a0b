"""The writes of one pass, in their order: lower, record, raise, tell; no other place writes a route or a status."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from modelrollout.api.borders.cleaning import mapping
from modelrollout.api.changes import with_snapshot
from modelrollout.api.status import dump
from modelrollout.core import reasons
from modelrollout.core.analysis.metrics.postmortem import slots_for
from modelrollout.core.observation import Event, ObservedRoute
from modelrollout.core.rollout.decide import Decision
from modelrollout.core.rollout.fallback.short_status import shortened
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
SOON, LATER = 1.0, 15.0
"""Seconds until a pass that could not write the route comes again, or one that could not write the whole status."""
LARGE = 256 * 1024
"""Bytes of a status beyond which an unexplained failure to write it may be due to its size."""
ENDS = (Trigger.BREACH, Trigger.BAKED, Trigger.UNPROVEN, Trigger.PROMOTE, Trigger.ABORT, Trigger.CANDIDATE_UNSTABLE)


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
        router = found[0]
        route, again = await self.lower(watch, decision, found)
        obj, whole = await self._record(watch, obj, decision)
        self._in_passing(lambda: self._begin_postmortem(watch, obj, decision))
        if not whole:
            again = again or LATER
        if again is None:
            again = await self._write_route(watch, obj, spec, decision, (router, route))
        for event in decision.events:
            self._in_passing(partial(self.notifier.tell, Subject.of(obj), event))
        if decision.consume_command:
            await self.store.consume_command(obj)
        return again

    async def lower(
        self, watch: Watch, decision: Decision, found: tuple[Router, ObservedRoute | None]
    ) -> tuple[ObservedRoute | None, float | None]:
        """The first write of a pass: the route after it, and how soon to come again where it did not get through."""
        router, route = found
        if decision.lower is None or route is None:
            return route, None
        try:
            route = await router.lower(watch.namespace, watch.name, route, decision.lower)
        except Conflict:
            raise
        except Exception as error:  # a defect, too, leaves the record to be written and the next pass to try again
            if not isinstance(error, Unreachable):
                log.exception("%s/%s: lowering failed", watch.namespace, watch.name)
            log.warning("%s/%s: lowering did not get through: %s", watch.namespace, watch.name, error)
            watch.route_refused(str(error) or type(error).__name__)
            return route, SOON
        self._route_writes.add("lower")
        watch.route_written()
        return route, None

    async def _record(self, watch: Watch, obj: dict[str, Any], decision: Decision) -> tuple[dict[str, Any], bool]:
        """The object with the new status, and whether that is all of it: one that is refused is written short."""
        status = decision.status
        if watch.kept is not None:
            status = with_snapshot(status, *watch.kept)
        try:
            body = dump(status)
            written = await self.store.write_status(obj, body)
        except Conflict:
            raise
        except Exception as error:
            if isinstance(error, Unreachable) and not _about_the_status(error, body):
                raise
            log.exception("%s/%s: the status cannot be written as a whole", watch.namespace, watch.name)
            why = f"the status was cut short, since it could not be written: {str(error) or type(error).__name__}"
            written = await self.store.write_status(obj, dump(shortened(status, why, self.clock.now())))
            self._status_writes.add("shortened")
            return written, False
        watch.kept = None
        self._status_writes.add("unchanged" if written is obj else "written")
        if _moves_nothing(obj, decision):
            watch.news.seen("resource", written["metadata"].get("resourceVersion"))
        return written, True

    def _in_passing(self, begin: Callable[[], None]) -> None:
        """What people are told is best effort: whatever is wrong with it, the writes go on."""
        try:
            begin()
        except Exception:  # any defect
            log.exception("an Event or a post-mortem was not begun")

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


def _moves_nothing(obj: dict[str, Any], decision: Decision) -> bool:
    """Whether this record has figures and sentences only, so that the next pass would find nothing more to do."""
    same = mapping(obj.get("status")).get("phase") == decision.status.phase
    return same and decision.trigger is None and not decision.events and not decision.consume_command


def _about_the_status(error: Unreachable, body: dict[str, Any]) -> bool:
    """Whether a status with less in it may be taken where this one was refused."""
    if error.reason == "ApiError":  # too large for the API server (413) or for its database (500)
        return len(json.dumps(body)) > LARGE
    return error.reason == "ApiInvalid"


def _changed_by_others(watch: Watch, decision: Decision, route: ObservedRoute | None, structure: str) -> bool:
    """Whether the route is not what this resource says, for no reason that has an Event already.

    Where a write of our own did not get through the last time, what differs is that write.
    """
    if route is None or route.structure == structure or watch.route_due:
        return False
    return decision.trigger is None and not decision.events
