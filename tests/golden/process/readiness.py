"""Why a version is not ready: what is said of its Service, of its addresses, and of those that answer wrongly."""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.kubernetes.client import Api, connect
from modelrollout.adapters.triton import readiness
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.runtime.watch import after_probe
from tests.allowed import PROBES
from tests.golden.process.local import (
    Answer,
    by_path,
    gone,
    hangs,
    instead,
    kubeconfig,
    plain,
    refusal,
    sends,
    serving,
)

_SERVICE = {"metadata": {"namespace": "vision", "name": "digits-v2"}, "spec": {"ports": [{"port": 8000}]}}


def _slices(*addresses: str, port: int, ready: bool = True) -> dict[str, Any]:
    endpoints = [{"addresses": [address], "conditions": {"ready": ready}} for address in addresses]
    return {"items": [{"addressType": "IPv4", "ports": [{"port": port}], "endpoints": endpoints}]}


def _cluster(slices: dict[str, Any], service: Answer | None = None) -> Answer:
    return by_path({"services/": service or sends(200, _SERVICE), "endpointslices": sends(200, slices)})


async def texts() -> dict[str, str]:
    """By what is wrong."""
    found: dict[str, str] = {}
    async with serving() as cluster, serving() as model:
        one = _cluster(_slices("127.0.0.1", port=_port_of(model.url)))
        two = _cluster(_slices("127.0.0.1", "127.0.0.2", port=8000, ready=False))
        none = _cluster(_slices("127.0.0.1", port=1))
        scenes: dict[str, tuple[Answer, Answer]] = {
            "no Service": (_cluster({}, gone("services", "digits-v2")), hangs),
            "a Service that may not be read": (_cluster({}, refusal(403, "services is forbidden")), hangs),
            "a Service without the port": (_cluster({}, sends(200, _SERVICE | {"spec": {}})), hangs),
            "a Service with another port": (
                _cluster({}, sends(200, _SERVICE | {"spec": {"ports": [{"port": 1}]}})),
                hangs,
            ),
            "no EndpointSlices": (by_path({"services/": sends(200, _SERVICE)}), hangs),
            "no address": (_cluster({"items": []}), hangs),
            "addresses that are not ready": (two, hangs),
            "an address that may not be asked": (_cluster(_slices("10.1.2.3", port=8000)), hangs),
            "a version that is not loaded": (one, sends(400, {"error": "unknown model"})),
            "a server that hangs": (one, hangs),
            "nobody listens": (none, hangs),
        }
        with kubeconfig(cluster.url) as path:
            async with await connect(path) as api:
                for title, (cluster.answer, model.answer) in scenes.items():
                    found[title] = await _probe(api, 0.05 if title == "a server that hangs" else 30.0)
                cluster.answer = one
                with instead(readiness, OVERALL=0.05):
                    found["servers that all hang"] = await _probe(api, 30.0)
    return found | {"no address, as a status says it": after_probe(None, "2", (0, ""), 0.0).message}


async def _probe(api: Api, patience: float) -> str:
    server = TritonServer(api, timeout=patience, probes=PROBES)
    count, wrong = await server.probe("vision", "digits-v2", 8000, "digits", "2")
    return f"{plain(wrong)}  (addresses: {count})"


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2])
