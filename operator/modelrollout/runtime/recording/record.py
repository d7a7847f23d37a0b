"""The new status is written before anything is raised: as a whole, or short; never without its fence."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from modelrollout.api.borders.cleaning import mapping
from modelrollout.api.changes import with_snapshot
from modelrollout.api.status import dump
from modelrollout.core.rollout.fallback.short_status import shortened
from modelrollout.ports import Conflict, Subject, Unreachable
from modelrollout.runtime.recording.contested import MANY, contested, insist

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.core.rollout.decide import Decision
    from modelrollout.ports import Clock, ObjectStore
    from modelrollout.runtime.metrics import Metrics
    from modelrollout.runtime.notifier import Notifier
    from modelrollout.runtime.watch import Watch

log = logging.getLogger(__name__)
LARGE = 256 * 1024
"""Bytes of a status beyond which an unexplained failure to write it may be due to its size."""


class Recorder:
    """Writes statuses."""

    def __init__(self, notifier: Notifier, clock: Clock, metrics: Metrics) -> None:
        self._notifier, self._clock = notifier, clock
        self._written = metrics.counter(
            "modelrollout_operator_status_writes_total", "Statuses recorded, or left as they were", "outcome"
        )

    async def record(
        self,
        store: ObjectStore,
        watch: Watch,
        obj: dict[str, Any],
        decision: Decision,
        decide: Callable[[dict[str, Any]], Decision],
    ) -> tuple[Decision, dict[str, Any], bool]:
        """What was decided, the object with its status, and whether that is all of it.

        `decide` says what this pass decides on another reading of the object. Raises Conflict where the object keeps
        changing, or means something else by now.
        """
        read = partial(store.get, watch.namespace, watch.name)
        try:
            decided, (written, whole) = await insist(partial(self._write, store, watch), (obj, decision), read, decide)
        except Conflict:
            watch.conflicts += 1
            if watch.conflicts == MANY:
                self._tell(obj)
            raise
        watch.conflicts = 0
        return decided, written, whole

    async def _write(
        self, store: ObjectStore, watch: Watch, obj: dict[str, Any], decision: Decision
    ) -> tuple[dict[str, Any], bool]:
        """The object with the new status, and whether that is all of it: one that is refused is written short."""
        status = decision.status
        if watch.kept is not None:
            status = with_snapshot(status, *watch.kept)
        try:
            body = dump(status)
            written = await store.write_status(obj, body)
        except Conflict:
            raise
        except Exception as error:
            if isinstance(error, Unreachable) and not _about_the_status(error, body):
                raise
            log.exception("%s/%s: the status cannot be written as a whole", watch.namespace, watch.name)
            why = f"the status was cut short, since it could not be written: {str(error) or type(error).__name__}"
            written = await store.write_status(obj, dump(shortened(status, why, self._clock.now())))
            self._written.add("shortened")
            return written, False
        watch.kept = None
        self._written.add("unchanged" if written is obj else "written")
        if _moves_nothing(obj, decision):
            watch.news.seen("resource", written["metadata"].get("resourceVersion"))
        return written, True

    def _tell(self, obj: dict[str, Any]) -> None:
        """Best effort: whatever is wrong with it, the pass ends as it would have."""
        try:
            event, subject = contested(obj), Subject.of(obj)
            log.warning("%s/%s: %s", subject.namespace, subject.name, event.message)
            self._notifier.tell(subject, event)
        except Exception:  # any defect
            log.exception("nobody was told that the status cannot be recorded")


def _moves_nothing(obj: dict[str, Any], decision: Decision) -> bool:
    """Whether this record has figures and sentences only, so that the next pass would find nothing more to do."""
    same = mapping(obj.get("status")).get("phase") == decision.status.phase
    return same and decision.trigger is None and not decision.events and not decision.consume_command


def _about_the_status(error: Unreachable, body: dict[str, Any]) -> bool:
    """Whether a status with less in it may be taken where this one was refused."""
    if error.reason == "ApiError":  # too large for the API server (413) or for its database (500)
        return len(json.dumps(body)) > LARGE
    return error.reason == "ApiInvalid"
