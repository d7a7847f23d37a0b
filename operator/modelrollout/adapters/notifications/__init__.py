"""One registry of notification sinks: a new one is a file of its own and a line here.

In the cluster each gets every Event; outside of it, what the operator's configuration says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelrollout.adapters.kubernetes.events import KubernetesEvents
from modelrollout.adapters.notifications.services import Service
from modelrollout.adapters.notifications.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.api.config.notifications import Sink
    from modelrollout.ports import Channel, EventSink

SINKS: dict[str, Callable[[Api, str], EventSink]] = {
    "kubernetes-events": lambda api, identity: KubernetesEvents(api, identity=identity),
}
"""By name; made with the API server and this process's identity."""


def make_sinks(api: Api, identity: str) -> dict[str, EventSink]:
    """Every sink in the registry."""
    return {name: make(api, identity) for name, make in SINKS.items()}


def make_channel(sink: Sink) -> Channel:
    """The way to what the configuration names."""
    if sink.webhook is not None:
        return Webhook(sink, sink.webhook)
    assert sink.apprise is not None, "the configuration was checked"
    return Service(sink, sink.apprise)
