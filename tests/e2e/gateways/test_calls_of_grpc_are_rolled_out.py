"""HTTP and gRPC in one rollout behind each real gateway, by tritonclient: one weight for both, and no call is lost."""

from __future__ import annotations

import queue
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import tritonclient.http as over_http

from tests.draws import binomial_bounds
from tests.e2e.support.hands import PATIENT, ask
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts

if TYPE_CHECKING:
    from tests.lab import CallClient

GATEWAYS = [
    pytest.param("Traefik", id="Traefik"),
    pytest.param("EnvoyGateway", id="EnvoyGateway", marks=pytest.mark.envoy_gateway),
]
QUICK = {"readyFor": "1s", "minimumRequests": 10, "warmup": "0s"}
ONE_STEP: dict[str, Any] = {"steps": [{"weight": 30, "hold": "2s", "approval": True}], "bake": "4s", "analysis": QUICK}
ROUTES = "gateway.networking.k8s.io/v1"
MOST_GAPS = 4


@pytest.fixture(params=GATEWAYS)
def live(request: pytest.FixtureRequest, rollouts: Rollouts) -> LiveRollout:
    door = request.getfixturevalue("envoy_gateway") if request.param == "EnvoyGateway" else None
    return rollouts.start(1, 2, rate=BRISK, door=door, operate={"arguments": PATIENT}, grpc=True)


def traffic(live: LiveRollout, *protocols: str, **more: Any) -> dict[str, Any]:
    calls = {"grpc": {"hostnames": [live.scenario.grpc_hostname]}} if "GRPC" in protocols else {}
    return {"gateway": live.scenario.gateway_ref, "protocols": list(protocols), **calls, **more}


def shares(live: LiveRollout, kind: str) -> dict[str, int]:
    """Percent by Service on the split of the resource's route of a kind; a place that is only kept has none."""
    found = live.kube.get(ROUTES, kind, live.scenario.namespace, live.name)
    assert found is not None, f"there is no {kind}"
    refs = found["spec"]["rules"][0]["backendRefs"]
    total = sum(ref["weight"] for ref in refs)
    return {
        name: round(sum(100 * ref["weight"] for ref in refs if ref["name"] == name) / total)
        for name in dict.fromkeys(ref["name"] for ref in refs)
    }


def _has(live: LiveRollout, kind: str, wanted: dict[str, int], _status: dict[str, Any]) -> bool:
    return shares(live, kind) == wanted


def called(live: LiveRollout, rate: float = 15.0) -> CallClient:
    """A client of gRPC that is answered; its calls go on until the test ends."""
    client = live.scenario.calls(rate=rate)
    live.wait("gRPC's route", lambda _: client.infer().code == "OK", 30)
    client.calls.clear()
    return live.rollouts.stack.enter_context(client)


def lost(live: LiveRollout, client: CallClient) -> list[Any]:
    """Failed calls, but for the few that Envoy Gateway answers itself while a place changes: see its page."""
    return client.failed[MOST_GAPS:] if live.scenario.door.name == "envoy" else client.failed


def test_both_protocols_have_one_weight_and_a_promotion_loses_no_call(live: LiveRollout):
    http = live.adopt(**ONE_STEP, traffic=traffic(live, "HTTP", "GRPC"), gates=gates("errors", "accuracy"))
    calls = called(live)
    live.version(2)
    live.wait_phase("AwaitingApproval", deadline=90)
    time.sleep(1)
    at_30 = {"digits-v1": 70, "digits-v2": 30}
    assert (shares(live, "HTTPRoute"), shares(live, "GRPCRoute")) == (at_30, at_30)
    since = time.time()
    live.wait("150 calls", lambda _: sum(calls.versions(since).values()) >= 150, 60)
    answered = calls.versions(since)
    low, high = binomial_bounds(answered.total(), 0.3)
    print(f"gRPC at 30 %: {dict(answered)}; HTTP: {dict(http.versions(since))}")
    assert low <= answered["2"] <= high
    ask(live, "approve", 2, 0)
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    live.wait(
        "both at version 2", lambda _: shares(live, "HTTPRoute") == shares(live, "GRPCRoute") == {"digits-v2": 100}
    )
    since = time.time() + 2
    live.wait("50 calls", lambda _: sum(calls.versions(since).values()) >= 50, 60)
    assert set(calls.versions(since)) == {"2"}
    calls.stop()
    http.stop()
    print(
        f"{len(calls.calls)} calls and {len(http.answers)} requests, {len(calls.failed)} and {len(http.failed)} failed"
    )
    assert lost(live, calls) == []


def test_a_version_whose_calls_fail_is_rolled_back_by_what_the_gateway_counts(live: LiveRollout):
    live.rate = 0
    live.scenario.serve(7, grpc=True)
    errors = [{"name": "errors", "type": "ErrorRate", "max": "5%", "source": "Gateway"}]
    live.adopt(steps=[{"weight": 50, "hold": "90s"}], analysis=QUICK, traffic=traffic(live, "GRPC"), gates=errors)
    calls = called(live, BRISK)
    live.version(7)
    last = live.ended()["history"][-1]
    assert last["result"] == "RolledBack", live.report()
    assert last["message"].startswith("errors:")
    assert shares(live, "GRPCRoute").get("digits-v7", 0) == 0
    assert shares(live, "GRPCRoute")["digits-v1"] == 100
    print(f"failed with {sorted({call.code for call in calls.failed})}: {last['message']}")


def test_a_hand_on_either_route_is_taken_back_and_a_deletion_leaves_both_to_stable(live: LiveRollout):
    live.rate = 0
    held: dict[str, Any] = {"steps": [{"weight": 20, "hold": "90s"}], "analysis": QUICK, "gates": gates("errors")}
    live.adopt(**held, traffic=traffic(live, "HTTP", "GRPC"))
    called(live)
    live.version(2)
    live.wait_weight(2, 20)
    right = {"digits-v1": 80, "digits-v2": 20}
    for kind in ("HTTPRoute", "GRPCRoute"):
        route = live.kube.get(ROUTES, kind, live.scenario.namespace, live.name)
        assert route is not None
        for ref, weight in zip(route["spec"]["rules"][0]["backendRefs"], (10, 90), strict=True):
            ref["weight"] = weight
        live.kube.merge(ROUTES, kind, live.scenario.namespace, live.name, {"spec": {"rules": route["spec"]["rules"]}})
        live.wait(f"{kind} put right", partial(_has, live, kind, right), 20)
    live.kube.delete(ROUTES, "GRPCRoute", live.scenario.namespace, live.name)
    live.wait(
        "the route made again, and both at the step's weight",
        lambda _: (
            live.kube.get(ROUTES, "GRPCRoute", live.scenario.namespace, live.name)
            and shares(live, "HTTPRoute") == shares(live, "GRPCRoute") == right
        ),
        40,
    )
    live.delete()
    live.wait_gone()
    gone = {"digits-v1": 100, "digits-v2": 0}
    assert (shares(live, "HTTPRoute"), shares(live, "GRPCRoute")) == (gone, gone)


def test_an_open_stream_stays_with_its_version_and_new_ones_go_to_stable(live: LiveRollout):
    live.rate = 0
    held: dict[str, Any] = {"steps": [{"weight": 50, "hold": "90s"}], "analysis": QUICK, "gates": gates("errors")}
    live.adopt(**held, traffic=traffic(live, "GRPC"))
    calls = called(live)
    live.version(2)
    live.wait("half of the calls", lambda _: shares(live, "GRPCRoute").get("digits-v2") == 50)
    stream = _stream_of(live, calls, "2")
    ask(live, "abort", 2)
    live.wait("the abort", lambda _: shares(live, "GRPCRoute").get("digits-v2", 0) == 0, 20)
    time.sleep(2)
    answered = stream.ask()
    print(f"an open stream after the abort: {answered}")
    since = time.time()
    live.wait("20 calls", lambda _: sum(calls.versions(since).values()) >= 20, 30)
    assert set(calls.versions(since)) == {"1"}
    assert answered == "2"
    stream.close()
    assert lost(live, calls) == []


def test_tritonclient_over_http_asks_for_readiness_and_metadata_and_infers(live: LiveRollout):
    live.rate = 0
    live.adopt(traffic=traffic(live, "HTTP", route={"extraPaths": ["/v2", "/v2/health/*"]}))
    live.wait_served()
    client = over_http.InferenceServerClient(live.scenario.door.address)
    host = {"Host": live.scenario.hostname}
    model = live.scenario.model
    assert client.is_server_live(headers=host)
    assert client.is_server_ready(headers=host)
    assert client.is_model_ready(model, headers=host)
    assert client.get_server_metadata(headers=host)["name"] == "triton"
    assert client.get_model_metadata(model, headers=host)["name"] == model
    rows = live.scenario.calls().rows
    sent = over_http.InferInput("X", list(rows.shape), "FP32")
    sent.set_data_from_numpy(rows)
    found = client.infer(model, [sent], headers=host)
    assert found.as_numpy("CLASS").shape[0] == 4
    for closed in (client.get_trace_settings, client.get_model_repository_index, client.get_log_settings):
        with pytest.raises(Exception, match="404"):
            closed(headers=host)
    client.close()


class _Stream:
    """One open stream; `ask` sends a request on it and says which version answered."""

    def __init__(self, live: LiveRollout, calls: CallClient) -> None:
        self._calls, self._answers = live.scenario.calls(), queue.Queue[Any]()
        self._model = live.scenario.model
        self._client = self._calls.client
        self._client.start_stream(lambda result, error: self._answers.put((result, error)))

    def ask(self) -> str:
        self._client.async_stream_infer(self._model, self._calls.inputs())
        result, error = self._answers.get(timeout=10)
        return str(error) if error is not None else str(result.get_response().model_version)

    def close(self) -> None:
        self._client.stop_stream()
        self._client.close()


def _stream_of(live: LiveRollout, calls: CallClient, version: str) -> _Stream:
    end = time.monotonic() + 40  # the gateway takes a new weight over somewhat after it stands in the route
    while time.monotonic() < end:
        stream = _Stream(live, calls)
        if stream.ask() == version:
            return stream
        stream.close()
    raise AssertionError(f"no stream reached version {version} within 40 s")
