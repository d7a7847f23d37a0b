from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.bench.peers import story
from tests.bench.peers.building import ARGO, FLAGGER
from tests.bench.peers.manifests import rendered, traefik_definitions
from tests.bench.peers.stage import served
from tests.bench.peers.story import BY_NAME, Behaviour, Canary
from tests.bench.peers.tools import TOOLS, Seat
from tests.bench.peers.tools.tool import new_template
from tests.bench.peers.world.backends import Arm, Server
from tests.bench.peers.world.gate import Gate
from tests.bench.peers.world.load import Load
from tests.bench.peers.world.workloads import addresses_of, differs, slice_of, status_of
from tests.lab import CannotBuildError, Program

CANARY = Canary("c01", "equal", "ns", {"stable": "127.77.1.2", "candidate": "127.77.1.3"})


def values_of(canary: Canary) -> dict[str, Any]:
    return Seat(None, canary.namespace, [canary], None, None, "http://hook").common(canary)  # type: ignore[arg-type]


def test_every_scenario_says_who_is_to_blame() -> None:
    assert {name for name, each in BY_NAME.items() if each.is_bad} == {"errors-5", "errors-1.5", "latency", "nan"}
    assert BY_NAME["incident"].has_onset
    assert not BY_NAME["incident"].is_bad
    assert not BY_NAME["equal"].has_onset


def test_every_tool_has_the_same_canaries_at_addresses_of_its_own() -> None:
    one, two = (story.canaries(number, "ns", tuple(BY_NAME)) for number in (1, 2))
    assert [(each.name, each.scenario) for each in one] == [(each.name, each.scenario) for each in two]
    assert len(one) == 12
    addresses = [address for each in [*one, *two] for address in each.addresses.values()]
    assert len(set(addresses)) == 48
    assert [each.scenario for each in story.canaries(1, "ns", ("nan", story.OUTAGE))] == ["nan"]


@pytest.mark.parametrize("setting", TOOLS["flagger"].settings, ids=lambda each: each.name)
def test_flaggers_canary_says_its_settings_and_stays_at_the_storys_weight(setting: Any) -> None:
    templates = {
        each["metadata"]["name"] for each in rendered("flagger-metrics", namespace="ns", prometheus="http://p")
    }
    for metrics in setting.values["metrics"].values():
        values = setting.values | {"metrics": json.dumps(metrics)}
        deployment, canary = rendered("flagger", hook="http://hook", **values, **values_of(CANARY))
        analysis = canary["spec"]["analysis"]
        assert (analysis["interval"], analysis["threshold"]) == (setting.values["interval"], 5)
        assert (analysis["stepWeight"], analysis["maxWeight"]) == (20, 40)
        assert analysis["metrics"] == metrics
        assert {each["templateRef"]["name"] for each in metrics} <= templates
        assert deployment["spec"]["template"]["metadata"]["annotations"] == {"lab/address": "127.77.1.2"}


@pytest.mark.parametrize("setting", TOOLS["argo"].settings, ids=lambda each: each.name)
def test_argos_analysis_says_its_settings(setting: Any) -> None:
    (template,) = rendered("argo-metrics", prometheus="http://p", **setting.values, **values_of(CANARY))
    for metrics in setting.values["metrics"].values():
        assert set(metrics) <= {each["name"] for each in template["spec"]["metrics"]}
    for each in template["spec"]["metrics"]:
        assert (each["interval"], each["failureLimit"]) == (setting.values["interval"], 3)
        assert f"[{setting.values['window']}]" in each["provider"]["prometheus"]["query"]
        assert "{{args.name}}" in each["provider"]["prometheus"]["query"]


def test_each_tool_reads_its_own_route() -> None:
    def share(tool: str, spec: dict[str, Any]) -> int:
        one = TOOLS[tool](None, TOOLS[tool].settings[0])  # type: ignore[arg-type]
        return one.share({"metadata": {"name": "c01"}, "spec": spec})

    def weights(*names: str) -> list[dict[str, Any]]:
        return [{"name": name, "weight": weight} for name, weight in zip(names, (80, 20), strict=True)]

    assert share("ours", {"rules": [{"backendRefs": weights("c01-v1", "c01-v2")}]}) == 20
    assert share("flagger", {"rules": [{"backendRefs": weights("c01-primary", "c01-canary")}]}) == 20
    assert share("argo", {"weighted": {"services": weights("c01-stable", "c01-canary")}}) == 20


def test_ours_says_nothing_but_where_and_how_much() -> None:
    (rollout,) = rendered("ours", **values_of(CANARY))
    assert set(rollout["spec"]) == {"model", "serving", "traffic", "steps"}
    assert rollout["spec"]["steps"] == [{"weight": 20, "hold": "2h"}]


def test_a_template_without_a_value_is_refused() -> None:
    with pytest.raises(KeyError, match="namespace"):
        rendered("ours", name="c01")


def test_traefiks_kinds_are_open() -> None:
    found = traefik_definitions()
    assert {each["spec"]["names"]["kind"] for each in found} >= {"TraefikService", "IngressRoute"}
    assert "/apis/traefik.io/v1alpha1/traefikservices" in {path for each in found for path in served(each)}


def workload(kind: str, labels: dict[str, str], address: str, replicas: int = 1) -> dict[str, Any]:
    template = {"metadata": {"labels": labels, "annotations": {"lab/address": address}}}
    return {"kind": kind, "metadata": {"generation": 3}, "spec": {"replicas": replicas, "template": template}}


def test_a_workload_is_said_to_be_ready_once_and_again_after_every_change() -> None:
    status = status_of(workload("Deployment", {}, "a", replicas=2))
    assert (status["observedGeneration"], status["availableReplicas"], status["updatedReplicas"]) == (3, 2, 2)
    assert differs({}, status)
    assert not differs(status, status)
    assert not differs({"observedGeneration": 3}, status_of(workload("ReplicaSet", {}, "a", replicas=0)))


def test_a_service_leads_to_the_pods_it_selects_and_to_none_that_are_scaled_away() -> None:
    one, two = workload("ReplicaSet", {"app": "c01", "hash": "1"}, "a"), workload("ReplicaSet", {"app": "c01"}, "b")
    service: dict[str, Any] = {
        "metadata": {"name": "c01", "namespace": "ns"},
        "spec": {"selector": {"app": "c01"}, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]},
    }
    assert addresses_of(service, [one, two]) == ["a", "b"]
    service["spec"]["selector"]["hash"] = "1"
    assert addresses_of(service, [one, two]) == ["a"]
    one["spec"]["replicas"] = 0
    assert addresses_of(service, [one, two]) == []
    assert slice_of(service, ["a"])["ports"] == [{"name": "http", "port": 8000, "protocol": "TCP"}]


def test_a_new_version_is_another_template_at_another_address() -> None:
    template = new_template(CANARY)["spec"]["template"]
    assert template["metadata"]["annotations"] == {"lab/address": "127.77.1.3"}


def test_the_hook_lets_a_canary_rise_once() -> None:
    def ask(name: str) -> int:
        body = json.dumps({"name": name, "namespace": "ns"}).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(gate.url, body, method="POST"), timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    with Gate() as gate:
        assert [ask("c01"), ask("c01"), ask("c02"), ask("c01")] == [200, 403, 200, 403]


def test_clients_count_what_each_version_answered() -> None:
    arm = Arm("127.0.0.1", "c01", "2", "seed", Behaviour(errors=1.0, slower=0.01, nan=1.0))

    async def story_of_two() -> Load:
        server = await asyncio.get_running_loop().create_server(lambda: Server(arm), "127.0.0.1", 0)
        load = Load(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", {})
        await load._one("c01.example.com")
        arm.behaviour = Behaviour(errors=0.0, slower=0.01)
        await load._one("c01.example.com")  # over the same connection
        server.close()
        for connection in load._idle:
            connection.transport.close()
        return load

    load = asyncio.run(story_of_two())
    assert sorted((host, version, status) for host, _, version, status in load.counts) == [
        ("c01.example.com", "2", 200),
        ("c01.example.com", "2", 503),
    ]
    assert (arm.answered, arm.nan) == (2, 1)
    assert 'nonfinite_elements_total{model="c01",version="2",layer="hidden",kind="nan"} 64' in arm.metrics()


def test_a_gateway_that_is_not_there_counts_as_no_answer() -> None:
    load = Load("127.0.0.1:1", {})
    asyncio.run(load._one("c01.example.com"))
    assert [(version, status) for _, _, version, status in load.counts] == [("", 0)]


@pytest.mark.parametrize("program", [FLAGGER, ARGO], ids=lambda each: each.module)
def test_a_peer_that_cannot_be_built_can_be_left_out(
    program: Program, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELROLLOUT_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(Program, "refusal", lambda _: "there is no Go 1.26 or newer")
    with pytest.raises(CannotBuildError, match=r"^\S+ v.* cannot be built: there is no Go .*; leave it out with"):
        program.build()


def test_nothing_listens_after_a_gate_has_closed() -> None:
    with Gate() as gate:
        pass
    with contextlib.suppress(urllib.error.URLError):
        urllib.request.urlopen(gate.url, timeout=5)
        pytest.fail("it still answers")
