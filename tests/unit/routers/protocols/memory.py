"""An API server's routes in memory, as far as a router needs one: fences, tests of a patch, failures of one kind."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, field
from typing import Any, cast

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.api.spec import Spec
from modelrollout.ports import Conflict, NotFound, Unreachable
from tests.unit.routers.test_a_route_is_read_for_what_it_is import apply_patch

GATEWAY = {"name": "inference", "namespace": "infra", "hostnames": ["a.example.com"]}
CALLS = {"hostnames": ["grpc.example.com"]}


def spec_of(*protocols: str, **traffic: Any) -> Spec:
    """A spec that splits these protocols; `traffic` is added to what it needs for that."""
    named = {"grpc": CALLS} if set(protocols) == {"HTTP", "GRPC"} else {}
    return Spec.model_validate(
        {
            "model": {"name": "digits", "version": "2"},
            "serving": {"service": "digits-v{version}"},
            "traffic": {"gateway": GATEWAY, "protocols": list(protocols), **named, **traffic},
            "steps": [{"weight": 5, "hold": "10m"}],
        }
    )


BOTH = spec_of("HTTP", "GRPC")
HTTP_ALONE = spec_of("HTTP")
GRPC_ALONE = spec_of("GRPC")


@dataclass
class Routes:
    """`objects` by path; `failing` by a part of the path, for writes and reads alike."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    failing: dict[str, Exception] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    _versions: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def api(self) -> Api:
        return cast("Api", self)

    async def get(self, path: str, _query: Any = None, **_: Any) -> dict[str, Any] | None:
        self._ask("GET", path)
        found = self.objects.get(path)
        return copy.deepcopy(found)

    async def request(self, _method: str, path: str, **_: Any) -> dict[str, Any]:
        found = await self.get(path)
        if found is None:
            raise NotFound("NotFound", f"{path} is gone")
        return found

    async def post(self, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self._ask("POST", path)
        at = f"{path}/{body['metadata']['name']}"
        if at in self.objects:
            raise Conflict(f"{at} is there already")
        return self._stored(at, copy.deepcopy(body))

    async def patch(self, path: str, body: Any, **_: Any) -> dict[str, Any]:
        self._ask("PATCH", path)
        known = self.objects.get(path)
        if known is None:
            raise NotFound("NotFound", f"{path} is gone")
        if isinstance(body, list):
            return self._stored(path, apply_patch(known, body))
        fence = body["metadata"].get("resourceVersion")
        if fence not in (None, known["metadata"]["resourceVersion"]):
            raise Conflict("the object has been modified")
        return self._stored(path, merged(known, body))

    def writes(self) -> list[str]:
        """Kinds that were written, in order."""
        return [path.split("/")[6] for method, path in self.asked if method != "GET"]

    def weights(self, plural: str) -> dict[str, int]:
        """Weight by Service name, of the split of the only route of a kind (a part of its path)."""
        (found,) = [body for path, body in self.objects.items() if plural in path]
        return {ref["name"]: ref["weight"] for ref in found["spec"]["rules"][0]["backendRefs"]}

    def set_weights(self, plural: str, *weights: int) -> None:
        """What a hand does."""
        (path,) = [path for path in self.objects if plural in path]
        body = copy.deepcopy(self.objects[path])
        for ref, weight in zip(body["spec"]["rules"][0]["backendRefs"], weights, strict=True):
            ref["weight"] = weight
        self._stored(path, body)

    def _ask(self, method: str, path: str) -> None:
        self.asked.append((method, path))
        for part, error in self.failing.items():
            if part in path:
                raise error

    def _stored(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[path] = body
        return copy.deepcopy(body)


def merged(known: Any, change: Any) -> Any:
    """A merge patch (RFC 7386)."""
    if not isinstance(change, dict) or not isinstance(known, dict):
        return copy.deepcopy(change)
    found = {key: value for key, value in known.items() if change.get(key, 0) is not None}
    return found | {key: merged(known.get(key), value) for key, value in change.items() if value is not None}


MISSING = Unreachable("KindMissing", "the server has no GRPCRoute (is the CRD installed?)")
AWAY = Unreachable("ApiTimeout", "no answer within 5 s")
