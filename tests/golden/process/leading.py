"""What is logged and said of the Lease, and what a release before an uninstall prints."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.kubernetes.store import FINALIZER
from modelrollout.core.observation import RoutePlan
from modelrollout.ports import Conflict, NotFound, Unreachable
from modelrollout.runtime import release as module
from modelrollout.runtime.lease import Lease
from modelrollout.runtime.release import release_all
from modelrollout.runtime.settings import Settings
from tests.golden.process.local import Answer, by_path, gone, instead, kubeconfig, logged, refusal, sends, serving
from tests.unit.rollout.world import manifest
from tests.unit.routers.routes import route

CREATED = "2023-11-14T22:13:20Z"


@dataclass
class Leases:
    """The API server as one Lease in memory; `then` happens before each patch."""

    stored: dict[str, Any] | None = None
    failures: list[Exception] = field(default_factory=list)
    then: Callable[[Leases], None] = lambda _: None

    async def get(self, _path: str, **_: Any) -> dict[str, Any] | None:
        if self.failures:
            raise self.failures.pop(0)
        return self.stored

    async def post(self, _path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        meta = body["metadata"] | {"creationTimestamp": CREATED, "uid": "u", "resourceVersion": "1"}
        self.stored = body | {"metadata": meta}
        return self.stored

    async def patch(self, _path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.then(self)
        assert self.stored is not None
        self.stored = self.stored | {"spec": body["spec"]}
        return self.stored


def _taken(leases: Leases) -> None:
    assert leases.stored is not None
    leases.stored = leases.stored | {"spec": leases.stored["spec"] | {"holderIdentity": "operator-b"}}
    raise Conflict("the object has been modified")


def _deleted(_leases: Leases) -> None:
    raise NotFound("NotFound", "gone")


def _replaced(leases: Leases) -> None:
    assert leases.stored is not None
    leases.stored = leases.stored | {"metadata": leases.stored["metadata"] | {"uid": "another"}}
    raise Conflict("the object has been modified")


def _refused(_leases: Leases) -> None:
    raise Unreachable("ApiForbidden", "the API server answered PATCH ... with 403: leases is forbidden")


LOSSES: dict[str, Callable[[Leases], None]] = {
    "another process took it": _taken,
    "it was deleted": _deleted,
    "it was deleted and made again": _replaced,
    "it cannot be renewed": _refused,
}


def _lease(leases: Leases, renew: float = 0.01) -> Lease:
    clock = itertools.count()  # a second at every look, so that no test waits
    api, name = cast("Api", leases), ("modelrollout", "operator", "operator-a")
    return Lease(api, *name, duration=15.0, renew=renew, monotonic=lambda: float(next(clock)))


async def lease() -> dict[str, str]:
    """Gained, lost, and what is no setting."""
    leases = Leases(failures=[Unreachable("ApiTimeout", "the API server did not answer GET ... within 5 s")])
    with logged() as lines:
        await _lease(leases).acquire()
    found = {"gained at the second try": "\n".join(lines)}
    for title, then in LOSSES.items():
        leases, reasons = Leases(), list[str]()
        held = _lease(leases)
        await held.acquire()
        leases.then = then
        await held.keep(reasons.append)
        found[title] = "\n".join(reasons)
    found["a renewal that comes too late"] = _error(lambda: _lease(Leases(), renew=12.0))
    found["an epoch that was never held"] = _error(lambda: _lease(Leases()).epoch)
    return found


def _error(call: Callable[[], object]) -> str:
    try:
        call()
    except (ValueError, RuntimeError) as error:
        return str(error)
    raise AssertionError("it is accepted")


def _resources(*names: str) -> Answer:
    items = [
        {"metadata": {"namespace": "vision", "name": name, "uid": name, "finalizers": [FINALIZER]}, "spec": manifest()}
        for name in names
    ]
    return sends(200, {"items": items})


def _lease_held_by(holder: str) -> Answer:
    meta = {"name": "operator", "namespace": "modelrollout", "uid": "u", "creationTimestamp": CREATED}
    return sends(
        200, {"metadata": meta | {"resourceVersion": "1"}, "spec": {"holderIdentity": holder, "leaseTransitions": 0}}
    )


async def release() -> dict[str, str]:
    """Before an uninstall: what is logged when all goes well, and when something does not."""
    alone = route(RoutePlan("1"))
    alone["metadata"]["annotations"] |= {"modelrollout.dev/resource": "vision/digits"}
    well = {
        "GET /apis/modelrollout.dev": _resources("digits", "letters"),
        "/modelrollouts/": sends(200, {"metadata": {}}),
        "/leases/": _lease_held_by("operator-b"),
        "/httproutes/digits": sends(200, alone | {"metadata": alone["metadata"] | {"namespace": "vision"}}),
        "/httproutes/letters": gone("httproutes", "letters"),
    }
    forbidden = refusal(403, "leases is forbidden")
    others = {"metadata": {"namespace": "vision", "name": "letters", "uid": "l"}, "spec": {}}
    webhook = refusal(500, "failed calling webhook")
    return {
        "all goes well": await _released(by_path(well)),
        "the Lease may not be taken": await _released(by_path(well | {"/leases/": forbidden})),
        "a route is somebody else's": await _released(by_path(well | {"/httproutes/letters": sends(200, others)})),
        "a finalizer cannot be removed": await _released(by_path({"PATCH /apis/modelrollout.dev": webhook} | well)),
        "a route cannot be read": await _released(by_path(well | {"/httproutes/letters": webhook})),
    }


async def _released(answer: Answer) -> str:
    async with serving() as local:
        local.answer = answer
        with kubeconfig(local.url) as path, logged() as lines, instead(module, AT_ONCE=1):  # in their order
            status = await release_all(Settings(path, (), "modelrollout", "operator", 0.01, ("", 0)))
    return "\n".join([*lines, f"exit status {status}"])
