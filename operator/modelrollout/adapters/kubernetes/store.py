"""The ModelRollout objects: every write is fenced by what was read, and Events never stop a pass."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.kubernetes.command_annotation import COMMAND, command_text
from modelrollout.api.base import API_VERSION, GROUP, KIND, PLURAL
from modelrollout.ports import Conflict, NotFound, Unreachable

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import Event


GROUP_VERSION = f"{GROUP}/{API_VERSION}"
FINALIZER = f"{GROUP}/traffic"
CONTROLLER = f"{GROUP}/operator"
GATEWAYS = "gateway.networking.k8s.io/v1"
EVENT_TIMEOUT = 2.0
LONGEST_NOTE, LONGEST_REASON = 1024, 128
"""Bytes that the API server takes in an Event."""
PAGE = "500"
REMEMBER = 60.0
"""Seconds for which a Gateway's controller is taken to be the same."""
TRIES = 3

log = logging.getLogger(__name__)


class KubernetesCluster:
    """The Cluster of ports.py. `identity` names this process in Events."""

    def __init__(self, api: Api, *, identity: str = "modelrollout") -> None:
        self._api = api
        self._identity = identity
        self._controllers: dict[tuple[str, str], tuple[float, str]] = {}
        self._last_event = 0

    async def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        """The object as stored now; None when it is gone."""
        return await self._api.get(_path(namespace, name))

    async def list_all(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """Every ModelRollout, of one namespace or of all, read in pages."""
        found: list[dict[str, Any]] = []
        query = {"limit": PAGE}
        while True:
            page = await self._api.request("GET", _path(namespace), query=query)
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return found
            query = {"limit": PAGE, "continue": token}

    async def write_status(self, obj: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """Replace the status of `obj` and return the object as stored; the same again writes nothing.

        Fenced by resourceVersion and uid: Conflict when either differs or the object is gone.
        """
        if (obj.get("status") or {}) == status:
            return obj
        kept = ("name", "namespace", "uid", "resourceVersion")
        meta = {key: obj["metadata"][key] for key in kept}
        body = {"apiVersion": GROUP_VERSION, "kind": KIND, "metadata": meta, "status": status}
        try:
            return await self._api.put(_path_of(obj) + "/status", body)
        except NotFound as error:  # gone, or made anew with another uid: old API servers say 409, newer ones 404
            raise Conflict(str(error)) from None

    async def consume_command(self, obj: dict[str, Any]) -> None:
        """Remove the command that `obj` was read with; a newer one stays, one already gone is no error."""
        text = command_text(obj)
        if text is None:
            return
        at = f"/metadata/annotations/{COMMAND.replace('/', '~1')}"
        test = {"op": "test", "path": at, "value": text}
        try:
            await self._api.patch(_path_of(obj), [_same(obj), test, {"op": "remove", "path": at}])
        except NotFound:
            return
        except Unreachable as error:
            if error.reason != "ApiInvalid":
                raise
            # A failed test and a refused object look the same (422): only a look at the object tells.
            now = await self._api.get(_path_of(obj))
            if now is not None and _uid(now) == _uid(obj) and command_text(now) == text:
                raise

    async def add_finalizer(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Put our finalizer on; raises Conflict when `obj` is stale or gone. Returns the object as stored."""
        finalizers = obj["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            return obj
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"], "finalizers": [*finalizers, FINALIZER]}
        try:
            return await self._api.patch(_path_of(obj), {"metadata": meta})
        except NotFound as error:
            raise Conflict(str(error)) from None

    async def drop_finalizer(self, obj: dict[str, Any]) -> None:
        """Let go of the object; whatever else changes at the same time stays as it is, and gone is gone."""
        now: dict[str, Any] | None = obj
        for attempt in range(1, TRIES + 1):
            if now is None or _uid(now) != _uid(obj):
                return
            finalizers = now["metadata"].get("finalizers") or []
            if FINALIZER not in finalizers:
                return
            at = f"/metadata/finalizers/{finalizers.index(FINALIZER)}"
            test = {"op": "test", "path": at, "value": FINALIZER}
            try:
                await self._api.patch(_path_of(obj), [_same(obj), test, {"op": "remove", "path": at}])
            except NotFound:
                return
            except (Conflict, Unreachable) as error:
                passing = isinstance(error, Conflict) or error.reason == "ApiInvalid"
                if attempt == TRIES or not passing:
                    raise
                now = await self._api.get(_path_of(obj))
            else:
                return

    async def emit(self, obj: dict[str, Any], event: Event) -> None:
        """Write an Event about `obj`, best effort: never raises, never waits longer than 2 s."""
        try:
            namespace = obj["metadata"]["namespace"]
            body = self._event(obj, event)
            await self._api.post(path_of("events.k8s.io/v1", "events", namespace), body, timeout=EVENT_TIMEOUT)
        except (Conflict, Unreachable) as error:
            log.warning("Event %s was not written: %s", event.reason, error)

    async def save(self, obj: dict[str, Any], name: str, data: dict[str, str]) -> None:
        """Write a ConfigMap beside the resource; it goes when the resource goes."""
        namespace = obj["metadata"]["namespace"]
        owner = {"apiVersion": GROUP_VERSION, "kind": KIND, "name": obj["metadata"]["name"], "uid": _uid(obj)}
        meta = {"name": name, "namespace": namespace, "ownerReferences": [owner]}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        try:
            await self._api.post(path_of("v1", "configmaps", namespace), body)
        except Conflict:  # an older snapshot stands in this place
            await self._api.patch(path_of("v1", "configmaps", namespace, name), {"metadata": meta, "data": data})

    async def dialect_of(self, namespace: str, spec: Spec) -> str:
        """The controllerName of the GatewayClass behind the spec's Gateway; "" when it cannot be known."""
        gateway = spec.traffic.gateway
        key = (gateway.namespace or namespace, gateway.name)
        at, known = self._controllers.get(key, (0.0, ""))
        if known and time.monotonic() - at < REMEMBER:
            return known
        try:
            found = await self._controller_of(*key)
        except Unreachable as error:
            log.warning("the controller of Gateway %s/%s cannot be known: %s", *key, error)
            return known  # what it was is a better guess than none
        self._controllers[key] = (time.monotonic(), found)
        return found

    async def _controller_of(self, namespace: str, name: str) -> str:
        gateway = await self._api.get(path_of(GATEWAYS, "gateways", namespace, name))
        chosen = ((gateway or {}).get("spec") or {}).get("gatewayClassName")
        if not chosen:
            return ""
        found = await self._api.get(path_of(GATEWAYS, "gatewayclasses", None, chosen))
        return str(((found or {}).get("spec") or {}).get("controllerName") or "")

    def _event(self, obj: dict[str, Any], event: Event) -> dict[str, Any]:
        meta = obj["metadata"]
        # Unlike a random suffix, a rising one keeps Events of the same second in their order.
        self._last_event = max(self._last_event + 1, time.time_ns())
        suffix = f".{self._last_event:x}"
        kept = ("name", "namespace", "uid", "resourceVersion")
        about = {key: meta[key] for key in kept if key in meta}
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": meta["name"][: 253 - len(suffix)] + suffix, "namespace": meta["namespace"]},
            "eventTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "reportingController": CONTROLLER,
            "reportingInstance": _cut(self._identity, LONGEST_REASON),
            "action": "Reconcile",
            "reason": _cut(event.reason, LONGEST_REASON),
            "regarding": {"apiVersion": GROUP_VERSION, "kind": KIND, **about},
            "note": _cut(event.message, LONGEST_NOTE),
            "type": "Warning" if event.warning else "Normal",
        }


def _cut(text: str, longest: int) -> str:
    """The text in at most `longest` bytes of UTF-8, its end marked where it was cut."""
    raw = text.encode()
    if len(raw) <= longest:
        return text
    mark = "…"
    return raw[: longest - len(mark.encode())].decode(errors="ignore") + mark


def _path(namespace: str | None = None, name: str | None = None) -> str:
    return path_of(GROUP_VERSION, PLURAL, namespace, name)


def _path_of(obj: dict[str, Any]) -> str:
    return _path(obj["metadata"]["namespace"], obj["metadata"]["name"])


def _uid(obj: dict[str, Any]) -> str:
    return str(obj["metadata"].get("uid", ""))


def _same(obj: dict[str, Any]) -> dict[str, Any]:
    """The operation that fails on another object of the same name."""
    return {"op": "test", "path": "/metadata/uid", "value": _uid(obj)}
