"""Why a route is not written: what a router says to the status and to the log."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from modelrollout.adapters.kubernetes.client import Api, connect
from modelrollout.adapters.routers import RegisteredRouters, router_for
from modelrollout.adapters.routers.forms.marks import SERVICES
from modelrollout.adapters.routers.gateway_api import GatewayApiRouter
from modelrollout.adapters.routers.reading import ObservedHTTPRoute, read
from modelrollout.core.observation import RoutePlan
from tests.golden.process.local import Answer, Local, failing, gone, kubeconfig, refusal, sends, serving
from tests.unit.routers.routes import SPEC, route

EXPOSED, BACK = RoutePlan("1", "2", 25), RoutePlan("1", "2", 0)
OURS, NEWER = "1700000000.3-operator-a", "1700000000.4-operator-b"
WEBHOOK = refusal(422, "admission webhook denied the request: no")
GONE = gone("httproutes", "digits")


def _of(raw: dict[str, Any], **changes: Any) -> ObservedHTTPRoute:
    """The route as the decision saw it, and `raw` as it is now."""
    return replace(read(route(EXPOSED)), raw=raw, **changes)


def _with_rules(change: str) -> dict[str, Any]:
    found = route(EXPOSED)
    (split,) = found["spec"]["rules"]
    if change == "no stable":
        del found["metadata"]["annotations"][SERVICES]
        del split["backendRefs"][0]
    else:
        split["name"] = change
    return found


LOWERINGS: dict[str, tuple[ObservedHTTPRoute, Answer]] = {
    "lowering, and the route is gone": (_of(route(EXPOSED)), GONE),
    "lowering, and a webhook refuses it": (_of(route(EXPOSED)), WEBHOOK),
    "lowering without the right": (_of(route(EXPOSED)), refusal(403, "httproutes is forbidden")),
    "lowering, and another version is stable": (_of(route(RoutePlan("2", "1", 25))), GONE),
    "lowering, and the split has another name": (_of(_with_rules("main")), GONE),
    "lowering, and nothing leads to stable": (_of(_with_rules("no stable")), GONE),
}


async def texts() -> dict[str, str]:
    """By what was tried and what came in between."""
    found: dict[str, str] = {}
    async with serving() as local:
        with kubeconfig(local.url) as path:
            async with await connect(path) as api:
                for title, (observed, answer) in LOWERINGS.items():
                    found[title] = await _lower(api, local, observed, answer)
                for title, (answer, call) in _raises(api).items():
                    local.answer = answer
                    found[title] = await failing(call)
                try:
                    router_for("smoke", api)
                except ValueError as error:
                    found["a router that there is not"] = str(error)
    return found


async def _lower(api: Api, local: Local, observed: ObservedHTTPRoute, answer: Answer) -> str:
    async def reads_or_refuses(request: Any) -> Any:
        reading = request.method == "GET" and answer is not GONE
        return await (sends(200, observed.raw) if reading else answer)(request)

    local.answer = reads_or_refuses
    return await failing(GatewayApiRouter(api, epoch=OURS).lower("ns", "digits", observed, BACK))


def _raises(api: Api) -> dict[str, tuple[Answer, Awaitable[object]]]:
    """Writes after the record."""
    router, now = GatewayApiRouter(api, epoch=OURS), _of(route(EXPOSED))
    newer, foreign = _of(route(EXPOSED), epoch=NEWER), read({"metadata": {"namespace": "ns", "name": "digits"}})
    return {
        "creating a route that is there": (
            refusal(409, 'httproutes "digits" already exists'),
            router.apply("ns", "digits", SPEC, EXPOSED, None),
        ),
        "raising on a route that has changed": (
            refusal(409, "the object has been modified"),
            router.apply("ns", "digits", SPEC, RoutePlan("1", "2", 50), now),
        ),
        "raising on a route that is gone": (GONE, router.apply("ns", "digits", SPEC, RoutePlan("1", "2", 50), now)),
        "raising under a newer leader": (GONE, router.apply("ns", "digits", SPEC, EXPOSED, newer)),
        "claiming under a newer leader": (GONE, router.claim("ns", "digits", newer)),
        "raising on a route of others": (GONE, router.apply("ns", "digits", SPEC, EXPOSED, foreign)),
        "looking where no HTTPRoutes are served": (
            sends(404, "404 page not found"),
            RegisteredRouters(api).find("ns", "digits", SPEC),
        ),
        "releasing where no HTTPRoutes are served": (
            sends(404, "404 page not found"),
            RegisteredRouters(api).release("ns", "digits"),
        ),
    }
