"""Notifications for programs: CloudEvents 1.0 in structured mode, signed; no redirect is followed, no body read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.webhooks.posting import Posting
from modelrollout.api.base import GROUP
from modelrollout.api.timestamps import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.config.notifications import Sink, WebhookTarget
    from modelrollout.core.notice import Notice

TYPE = ".".join(reversed(GROUP.split("."))) + ".rollout."
"""Before the kind, in lower case: the type of an event."""


def cloud_event(notice: Notice, title: str, text: str) -> dict[str, Any]:
    """The event as JSON has it."""
    return {
        "specversion": "1.0",
        "id": notice.ident,
        "source": notice.source,
        "type": TYPE + notice.kind.lower(),
        "subject": f"{notice.namespace}/{notice.name}",
        "time": format_timestamp(notice.at),
        "datacontenttype": "application/json",
        "data": {**notice.data, "kinds": sorted(notice.kinds), "title": title, "text": text},
    }


class Webhook:
    """A Channel of ports.py. `now` is the time that is signed, epoch seconds."""

    def __init__(self, sink: Sink, target: WebhookTarget, now: Callable[[], float] = time.time) -> None:
        self._sink, self._target, self._posting = sink, target, Posting(now)

    async def deliver(self, notice: Notice) -> None:
        """One POST; what it reads from files is read anew. Raises Undelivered."""
        event = cloud_event(notice, *self._sink.render(notice.kinds, notice.facts))
        async with self._posting.sent(self._target, event, self._sink.timeout):
            pass

    async def close(self) -> None:
        """Let connections go."""
        await self._posting.close()
