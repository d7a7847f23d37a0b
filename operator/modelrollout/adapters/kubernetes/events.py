"""Kubernetes Events about a ModelRollout: what `kubectl describe` shows."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.base import GROUP, GROUP_VERSION, KIND
from modelrollout.api.borders.cleaning import clean

if TYPE_CHECKING:
    from modelrollout.core.observation import Event
    from modelrollout.ports import Subject

CONTROLLER = f"{GROUP}/operator"
EVENTS = "events.k8s.io/v1"
TIMEOUT = 2.0
LONGEST_NOTE, LONGEST_REASON, LONGEST_NAME = 1024, 128, 253
"""Bytes that the API server takes in an Event."""


class KubernetesEvents:
    """An EventSink of ports.py. `identity` names this process as the reporting instance."""

    def __init__(self, api: Api, *, identity: str = "modelrollout") -> None:
        self._api = api
        self._identity = identity
        self._last = 0

    async def send(self, subject: Subject, event: Event) -> None:
        """Write the Event in at most 2 s. Raises Conflict or Unreachable."""
        await self._api.post(path_of(EVENTS, "events", subject.namespace), self._body(subject, event), timeout=TIMEOUT)

    def _body(self, subject: Subject, event: Event) -> dict[str, Any]:
        # Unlike a random suffix, a rising one keeps Events of the same second in their order.
        self._last = max(self._last + 1, time.time_ns())
        suffix = f".{self._last:x}"
        about = {
            "name": subject.name,
            "namespace": subject.namespace,
            "uid": subject.uid,
            "resourceVersion": subject.resource_version,
        }
        return {
            "apiVersion": EVENTS,
            "kind": "Event",
            "metadata": {
                "name": subject.name[: LONGEST_NAME - len(suffix)] + suffix,
                "namespace": subject.namespace,
            },
            "eventTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "reportingController": CONTROLLER,
            "reportingInstance": _cut(self._identity, LONGEST_REASON),
            "action": "Reconcile",
            "reason": _cut(event.reason, LONGEST_REASON),
            "regarding": {
                "apiVersion": GROUP_VERSION,
                "kind": KIND,
                **{key: value for key, value in about.items() if value},
            },
            "note": _cut(event.message, LONGEST_NOTE),
            "type": "Warning" if event.warning else "Normal",
        }


def _cut(text: str, longest: int) -> str:
    """The text in at most `longest` bytes of UTF-8, its end marked where it was cut."""
    text = clean(text, longest)  # that many characters are at least as many bytes
    raw = text.encode()
    if len(raw) <= longest:
        return text
    mark = "…"
    return raw[: longest - len(mark.encode())].decode(errors="ignore") + mark
