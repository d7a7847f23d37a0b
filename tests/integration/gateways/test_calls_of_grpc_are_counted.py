"""tritonclient through each real gateway to a real tritonserver: weights, what is exposed, what every code counts as.

What the gateway itself exports is read as the analysis reads it, without Prometheus in between: its metrics' page.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
import tritonclient.grpc as triton

from modelrollout.adapters.routers.forms.form import GRPC, H2C, Form
from modelrollout.adapters.routers.gateway_api import GatewayApiRouter
from modelrollout.api.spec import Spec
from modelrollout.api.traffic.protocols import SERVICE, SPLIT_METHODS
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import NO_ERROR, REFUSED, SeriesReader
from modelrollout.core.observation import RoutePlan
from modelrollout.dialects.dialect import OwnSplit
from modelrollout.dialects.registry import dialect_called
from modelrollout.dialects.traefik import TRAEFIK
from tests.draws import binomial_bounds
from tests.unit.analysis.recorded import request_of

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import CallClient, Door, Member, Scenario

pytestmark = pytest.mark.lab
GATEWAYS = [
    pytest.param("Traefik", id="Traefik"),
    pytest.param("EnvoyGateway", id="EnvoyGateway", marks=pytest.mark.envoy_gateway),
]
FORMS = [pytest.param(GRPC, id="GRPCRoute"), pytest.param(H2C, id="h2c")]


class Behind:
    """A split of 70 to 30 for gRPC behind one gateway, by a route of one form."""

    def __init__(self, dialect: str, scenario: Scenario) -> None:
        self.scenario, self.dialect = scenario, dialect
        calls = {"protocols": ["GRPC"], "grpc": {"hostnames": [scenario.grpc_hostname]}}
        self.spec = Spec.model_validate(
            {
                "model": {"name": scenario.model, "version": "2"},
                "serving": {"service": scenario.model + "-v{version}", "port": 8000},
                "traffic": {"gateway": scenario.gateway_ref, **calls},
                "steps": [{"weight": 30, "hold": "10m"}],
            }
        )

    async def split(self, api: Api, form: Form, weight: int = 30) -> None:
        router = GatewayApiRouter(api, form=form)
        plan = RoutePlan("1", "2", weight, version_header=self.dialect == "EnvoyGateway")
        name, namespace = self.scenario.model, self.scenario.namespace
        await router.apply(namespace, name, self.spec, plan, await router.observe(namespace, name))

    def counted(self) -> Counter[tuple[str, str]]:
        """Answers by (arm, detail) as the analysis reads the gateway's page."""
        scenario = self.scenario
        asked = request_of(self.spec, dialect=dialect_called(self.dialect))
        reader = SeriesReader(replace(asked, namespace=scenario.namespace, name=scenario.model))
        found = Counter[tuple[str, str]]()
        for labels, value in page(scenario.door):
            channel = reader.channel(labels)
            if channel is not None and channel.metric == s.GATEWAY_REQUESTS:
                found[channel.arm, channel.detail] += int(value)
        return found

    async def grown(self, before: Counter[tuple[str, str]], calls: int) -> dict[tuple[str, str], int]:
        """What was counted since, as soon as so many calls are; whatever it is after 15 s."""
        for _ in range(60):
            after = self.counted()
            grown = {key: after[key] - before[key] for key in after if after[key] != before[key]}
            if sum(grown.values()) >= calls:
                break
            await asyncio.sleep(0.25)
        return grown

    async def still(self) -> Counter[tuple[str, str]]:
        """What is counted when nothing is under way: the same twice, a second apart."""
        found = self.counted()
        while True:
            await asyncio.sleep(1)
            again = self.counted()
            if again == found:
                return found
            found = again


def page(door: Door) -> list[tuple[dict[str, str], float]]:
    path = "stats/prometheus" if door.name == "envoy" else "metrics"
    text = requests.get(f"http://{door.metrics}/{path}", timeout=10).text
    found = []
    for name, inside, value in re.findall(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$", text, re.MULTILINE):
        labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', inside))
        found.append(({"__name__": name, **labels}, float(value)))
    return found


def wait_called(client: CallClient, deadline: float = 30.0) -> None:
    end = time.monotonic() + deadline
    while client.infer().code != "OK":
        assert time.monotonic() < end, client.calls[-1]
        time.sleep(0.2)


@pytest.fixture(params=GATEWAYS)
def behind(request: pytest.FixtureRequest, member: Member, namespace: str) -> Any:
    door = request.getfixturevalue("envoy_gateway") if request.param == "EnvoyGateway" else None
    with member.scenario(namespace, door=door) as scenario:
        scenario.serve(1, 2, grpc=True)
        yield Behind(request.param, scenario)


@pytest.mark.parametrize("form", FORMS)
async def test_calls_are_split_by_weight_and_each_is_counted_for_its_version(behind: Behind, api: Api, form: Form):
    await behind.split(api, form)
    client = behind.scenario.calls()
    wait_called(client)
    before, start = await behind.still(), time.time()
    for _ in range(300):
        assert client.infer().code == "OK"
    answered = client.versions(since=start)
    low, high = binomial_bounds(300, 0.3)
    print(f"{behind.dialect} {form.kind}: {dict(answered)} of 300 calls at 30 %")
    assert low <= answered["2"] <= high
    counted = {("stable", NO_ERROR): answered["1"], ("candidate", NO_ERROR): answered["2"]}
    if (behind.dialect, form) == ("EnvoyGateway", H2C):  # as its page says: for a neighbour's GRPCRoute, or not at all
        assert await behind.grown(before, 0) in ({}, counted)
    else:
        assert await behind.grown(before, 300) == counted


@pytest.mark.parametrize("form", FORMS)
async def test_labels_of_our_own_split_are_foreseen(behind: Behind, api: Api, form: Form):
    """By them a route that is only written alike is known, however many of our methods are called."""
    if behind.dialect != "Traefik":
        return
    scenario = behind.scenario
    name = form.named(scenario.namespace, scenario.model)
    split = OwnSplit(
        *(scenario.namespace, name, scenario.door.namespace, scenario.door.name, (scenario.grpc_hostname,)),
        paths=tuple(f"/{SERVICE}/{method}" for method in SPLIT_METHODS) if form is H2C else (),
        methods=tuple((SERVICE, method) for method in SPLIT_METHODS) if form is GRPC else (),
    )
    await behind.split(api, form)
    client = scenario.calls()
    wait_called(client)
    assert client.client.is_model_ready(scenario.model)
    await behind.still()
    start = f"{form.kind.lower()}-{scenario.namespace}-{name}-gw-"
    seen = {label for label in (labels.get("service", "") for labels, _ in page(scenario.door)) if start in label}
    keys = {found[1] for found in (re.search(r"-0-([0-9a-f]{20})-svc-", label) for label in seen) if found}
    assert len(keys) > 1, "each match has a label of its own"
    assert keys <= TRAEFIK.keys_of("-ep-web-0-" + min(keys) + "-svc-", split)


async def test_what_is_exposed_is_inference_readiness_and_metadata(behind: Behind, api: Api):
    await behind.split(api, GRPC)
    calls = behind.scenario.calls()
    wait_called(calls)
    client, model = calls.client, behind.scenario.model
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model)
    assert client.get_model_metadata(model).name == model
    assert client.get_server_metadata().name == "triton"
    for closed in (
        client.get_trace_settings,
        client.get_model_repository_index,
        client.get_system_shared_memory_status,
    ):
        with pytest.raises(triton.InferenceServerException) as refused:
            closed()
        assert "UNIMPLEMENTED" in str(refused.value.status()), closed


async def test_every_code_counts_as_it_is_written_down(behind: Behind, api: Api):
    await behind.split(api, GRPC, weight=0)
    client = behind.scenario.calls()
    wait_called(client)
    seen: dict[str, Any] = {}
    wrong = np.zeros((4, 3), np.float32)
    asked: dict[str, dict[str, Any]] = {
        "answered": {},
        "an unknown model": {"model": "nobody"},
        "a wrong shape": {"rows": wrong},
    }
    for what, call in asked.items():
        before = await behind.still()
        codes = {client.infer(**call).code for _ in range(5)}
        seen[what] = codes, await behind.grown(before, 5)
    print(f"{behind.dialect}: {seen}")
    assert seen["answered"] == ({"OK"}, {("stable", NO_ERROR): 5})
    assert seen["an unknown model"] == ({"NOT_FOUND"}, {("stable", f"{REFUSED}5"): 5})
    assert seen["a wrong shape"] == ({"INVALID_ARGUMENT"}, {("stable", f"{REFUSED}3"): 5})
