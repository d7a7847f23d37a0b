"""kopf reports what changed; a handler only wakes the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kopf

from modelrollout.adapters.kubernetes.client import path_of
from modelrollout.adapters.routers import ROUTERS
from modelrollout.adapters.routers.forms.marks import RESOURCE
from modelrollout.api.base import API_VERSION, GROUP, PLURAL

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.copies.known import Known
    from modelrollout.runtime.service import Service
    from modelrollout.runtime.stop import Stop
    from modelrollout.runtime.waking.news import Kind, Version

Watched = tuple[str, str, str]
"""Group, version and plural."""


def register(registry: kopf.OperatorRegistry, service: Service, stop: Stop, known: Known) -> None:
    """Event handlers for our kind and every kind of route, the settings and the end; what they show is `known`."""

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True  # what there is at the start is all; no rights on CRDs or namespaces
        settings.networking.request_timeout = 15.0
        # A watch that has silently died is found when it should have ended: then it goes on from where it was.
        settings.watching.server_timeout = 20
        settings.watching.client_timeout = 27
        # A handler only wakes, so there is nothing to wait for at the end; the next leader waits for this exit.
        settings.queueing.idle_timeout = settings.queueing.exit_timeout = 0.2
        settings.persistence.finalizer = f"{GROUP}/kopf"
        settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)

    @kopf.on.cleanup(registry=registry)
    async def end(**_: Any) -> None:
        stop.set()  # or kopf would wait 5 s for its own waiter on it, and as long for tasks that never end, as ours
        await service.stop()

    @kopf.on.login(registry=registry)
    def login(**about: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**about) or kopf.login_with_kubeconfig(**about)

    @kopf.on.event(GROUP, API_VERSION, PLURAL, registry=registry)
    async def changed(namespace: str | None, name: str, **about: Any) -> None:
        _show(known, (GROUP, API_VERSION, PLURAL), namespace, name, **about)
        service.changed(namespace or "", name, _version("resource", **about))

    for watched in dict.fromkeys(kind for router in ROUTERS.values() for kind in router.watched):

        @kopf.on.event(*watched, registry=registry, param=watched)  # by its name: a mark may have been taken off
        async def routed(namespace: str | None, name: str, param: Any = None, **about: Any) -> None:
            _show(known, param, namespace, name, **about)
            for called in dict.fromkeys((name, _resource(**about))):
                service.route_changed(namespace or "", called, _version("route", **about))


def _show(known: Known, watched: Watched, namespace: str | None, name: str, **about: Any) -> None:
    """Keep what the event shows."""
    group, version, plural = watched
    path = path_of(f"{group}/{version}", plural, namespace or "", name)
    if about["type"] == "DELETED":
        known.gone(path)
    else:
        known.shown(path, None, about["event"]["object"])


def _resource(**about: Any) -> str:
    """The resource that a route's mark names: where a gateway has no GRPCRoute, gRPC's route has a name of its own."""
    notes = about["meta"].get("annotations") or {}
    return str(notes.get(RESOURCE) or "").rpartition("/")[2]


def _version(kind: Kind, **about: Any) -> Version | None:
    """What the event is about; None where it must wake, since the object is gone."""
    return None if about["type"] == "DELETED" else (kind, str(about["meta"].get("resourceVersion") or ""))
