"""People are notified through sinks; no sink delays or breaks a pass: each delivery is bounded in time and number."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import TYPE_CHECKING

from modelrollout.core.notice import make_notice
from modelrollout.runtime.outside.outbox import Outbox, Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelrollout.api.config.notifications import Sink
    from modelrollout.core.observation import Event
    from modelrollout.ports import Channel, EventSink, Subject
    from modelrollout.runtime.metrics import Metrics

log = logging.getLogger(__name__)
PATIENCE = 5.0
"""Seconds that one delivery may take."""
MOST_UNDER_WAY = 100
"""Deliveries of one sink that may be under way; while they are, further Events are dropped for this sink alone."""


class Notifier:
    """Hands every Event to every sink, by name; waits for none of them.

    `outside` are the sinks of the configuration, each with its channel; `now`: when something is told, epoch seconds.
    """

    def __init__(
        self,
        sinks: Mapping[str, EventSink],
        metrics: Metrics,
        *,
        patience: float = PATIENCE,
        outside: Mapping[str, tuple[Sink, Channel]] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._sinks, self._now = dict(sinks), now
        self._patience = patience
        self._under_way: dict[str, set[asyncio.Task[None]]] = {name: set() for name in sinks}
        self._notifications = metrics.counter(
            "modelrollout_operator_notifications_total", "Events handed to a sink, by how that ended", "sink", "outcome"
        )
        self._outboxes = {
            name: Outbox(name, channel, _terms(sink), self._notifications.add)
            for name, (sink, channel) in (outside or {}).items()
        }
        metrics.gauge(
            "modelrollout_operator_notifications_under_way",
            "Events that a sink has not taken yet; beyond its bounds further ones are dropped",
            "sink",
            read=lambda: {(name,): float(number) for name, number in self._waiting().items()},
        )

    def tell(self, subject: Subject, event: Event) -> None:
        """Begin the delivery to every sink, and return at once."""
        if self._outboxes:
            self._post(subject, event)
        for name, sink in self._sinks.items():
            under_way = self._under_way[name]
            if len(under_way) >= MOST_UNDER_WAY:
                self._notifications.add(name, "dropped")
                continue
            task = asyncio.create_task(self._deliver(name, sink, subject, event))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    async def close(self) -> None:
        """What has not left by now is dropped."""
        for outbox in self._outboxes.values():
            await outbox.close()

    def _post(self, subject: Subject, event: Event) -> None:
        try:
            notice = make_notice(subject.obj, event, self._now(), str(uuid.uuid4()))
            for outbox in self._outboxes.values():
                outbox.post(notice)
        except Exception:  # any defect: the Event in the cluster is written all the same
            log.exception("nobody outside was told of %s", event.reason)

    def _waiting(self) -> dict[str, int]:
        return {
            **{name: len(tasks) for name, tasks in self._under_way.items()},
            **{name: outbox.waiting for name, outbox in self._outboxes.items()},
        }

    async def _deliver(self, name: str, sink: EventSink, subject: Subject, event: Event) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await sink.send(subject, event)
        except Exception as error:  # noqa: BLE001 - whatever a sink raises, the next Event is tried again
            log.warning("Event %s was not written: %s", event.reason, str(error) or f"{name} took too long")
            self._notifications.add(name, "failed")
        else:
            self._notifications.add(name, "sent")


def _terms(sink: Sink) -> Terms:
    return Terms(
        wants=lambda notice: sink.wants(notice.namespace, notice.kinds),
        per_minute=sink.per_minute,
        timeout=sink.timeout,
        keep_trying=sink.keep_trying,
    )
