"""People are notified through sinks; no sink delays or breaks a pass: each delivery is bounded in time and number."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelrollout.core.observation import Event
    from modelrollout.ports import EventSink, Subject
    from modelrollout.runtime.metrics import Metrics

log = logging.getLogger(__name__)
PATIENCE = 5.0
"""Seconds that one delivery may take."""
MOST_UNDER_WAY = 100
"""Deliveries of one sink that may be under way; while they are, further Events are dropped for this sink alone."""


class Notifier:
    """Hands every Event to every sink, by name; waits for none of them."""

    def __init__(self, sinks: Mapping[str, EventSink], metrics: Metrics, *, patience: float = PATIENCE) -> None:
        self._sinks = dict(sinks)
        self._patience = patience
        self._under_way: dict[str, set[asyncio.Task[None]]] = {name: set() for name in sinks}
        self._notifications = metrics.counter(
            "modelrollout_operator_notifications_total", "Events handed to a sink, by how that ended", "sink", "outcome"
        )
        metrics.gauge(
            "modelrollout_operator_notifications_under_way",
            f"Events that a sink has not taken yet; beyond {MOST_UNDER_WAY} further ones are dropped",
            "sink",
            read=lambda: {(name,): float(len(tasks)) for name, tasks in self._under_way.items()},
        )

    def tell(self, subject: Subject, event: Event) -> None:
        """Begin the delivery to every sink, and return at once."""
        for name, sink in self._sinks.items():
            under_way = self._under_way[name]
            if len(under_way) >= MOST_UNDER_WAY:
                self._notifications.add(name, "dropped")
                continue
            task = asyncio.create_task(self._deliver(name, sink, subject, event))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    async def _deliver(self, name: str, sink: EventSink, subject: Subject, event: Event) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await sink.send(subject, event)
        except Exception as error:  # noqa: BLE001 - whatever a sink raises, the next Event is tried again
            log.warning("Event %s was not written: %s", event.reason, str(error) or f"{name} took too long")
            self._notifications.add(name, "failed")
        else:
            self._notifications.add(name, "sent")
