"""One registry of notification sinks: each gets every Event; a new one is a file of its own and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelrollout.adapters.kubernetes.events import KubernetesEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.ports import EventSink

SINKS: dict[str, Callable[[Api, str], EventSink]] = {
    "kubernetes-events": lambda api, identity: KubernetesEvents(api, identity=identity),
}
"""By name; made with the API server and this process's identity."""


def make_sinks(api: Api, identity: str) -> dict[str, EventSink]:
    """Every sink in the registry."""
    return {name: make(api, identity) for name, make in SINKS.items()}
