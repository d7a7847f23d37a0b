"""kopf tells what changed; a handler only wakes the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kopf

from modelrollout.api.base import API_VERSION, GROUP, PLURAL

if TYPE_CHECKING:
    from modelrollout.service import Service

RESOURCE_ANNOTATION = f"{GROUP}/resource"


def register(registry: kopf.OperatorRegistry, service: Service) -> None:
    """Two event handlers and the settings; no handler keeps state or retries."""

    @kopf.on.startup(registry=registry)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True  # what there is at the start is all; no rights on CRDs or namespaces
        settings.networking.request_timeout = 15.0
        settings.watching.server_timeout = 120
        settings.watching.client_timeout = 150
        settings.persistence.finalizer = f"{GROUP}/kopf"
        settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)

    @kopf.on.login(registry=registry)
    def login(**about: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**about) or kopf.login_with_kubeconfig(**about)

    @kopf.on.event(GROUP, API_VERSION, PLURAL, registry=registry)
    async def changed(namespace: str | None, name: str, **_: Any) -> None:
        service.wake(namespace or "", name)

    @kopf.on.event(
        "gateway.networking.k8s.io",
        "v1",
        "httproutes",
        registry=registry,
        annotations={RESOURCE_ANNOTATION: kopf.PRESENT},
    )
    async def routed(namespace: str | None, name: str, **_: Any) -> None:
        if (namespace or "", name) in service.watches:
            service.wake(namespace or "", name)
