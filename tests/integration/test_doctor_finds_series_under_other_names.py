"""A real Prometheus is asked where series are that are not where they should be; each answer becomes its finding."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelrollout.api.config import PrometheusServer
from modelrollout.api.spec import Spec
from modelrollout.cli.doctor.checks.diagnosis import diagnose
from modelrollout.cli.doctor.facts import StoreFacts, Subject
from modelrollout.cli.doctor.finding import Finding
from modelrollout.cli.doctor.reading.store import read_store
from modelrollout.cli.doctor.show import LocalClock
from modelrollout.cli.lookup.found import Source
from modelrollout.core.analysis.metrics import model_series as s
from tests.lab import Line, ScrapedPod, Site
from tests.unit.analysis.recorded import GATEWAY_REQUESTS, HASH, spec_of

pytestmark = pytest.mark.lab
TRAEFIK = "traefik.io/gateway-controller"
QUERY = {"name": "orders", "type": "Query", "query": 'sum(model_requests_total{version="{{version}}"})', "min": "1"}


class World:
    """What one pod exports for one namespace, and what doctor finds of it."""

    def __init__(self, site: Site, namespace: str) -> None:
        self.site, self.namespace, self.model = site, namespace, f"m-{namespace}"
        self.lines: list[Line] = []

    def exports(self, number: int) -> Iterator[Line]:
        for name, labels, growth in self.lines:
            yield name, labels, growth * number

    def backend(self, *, route: str = "digits", service: str = "digits-v1") -> str:
        ns = self.namespace
        return f"httproute-{ns}-{route}-gw-infra-inference-ep-web-0-{HASH}-svc-{ns}-{service}-0@kubernetesgateway"

    def gateway(self, **labels: str) -> None:
        self.lines.append((GATEWAY_REQUESTS, {"code": "200", **labels}, 5.0))

    def answers(self, version: str = "1", **labels: str) -> None:
        for metric in (s.REQUESTS, s.REQUEST_ERRORS):
            found = {"model": self.model, "version": version, **labels}
            self.lines.append((metric, {name: text for name, text in found.items() if text}, 5.0))

    @property
    def spec(self) -> Spec:
        found = spec_of({"name": "errors", "type": "ErrorRate"}, QUERY, interval="2s")
        return found.model_copy(update={"model": found.model.model_copy(update={"name": self.model})})

    async def facts(self, controller: str = TRAEFIK, **server: Any) -> StoreFacts:
        subject = Subject(self.namespace, "digits", self.spec, "1", None, "none")
        asked = PrometheusServer(url=self.site.prometheus, scrape_interval=1.0, allow_queries=True, **server)
        return await read_store(subject, Source(asked), controller, LocalClock(), "this machine's")

    async def until(
        self, true: Callable[[list[Finding]], object], controller: str = TRAEFIK, **server: Any
    ) -> list[Finding]:
        """The findings as soon as `true` of them."""
        end = time.monotonic() + 40
        while True:
            facts = await self.facts(controller, **server)
            subject = Subject(self.namespace, "digits", self.spec, "1", None, "none")
            found = diagnose("digits", subject, None, facts)
            if true(found):
                return found
            shown = "\n".join(f"{one.level} {one.check} {one.subject}: {one.message}" for one in found)
            assert time.monotonic() < end, shown
            await asyncio.sleep(0.5)


@pytest.fixture
def world(site: Site, namespace: str) -> Iterator[World]:
    found = World(site, namespace)
    with ScrapedPod(site, namespace, found.exports):
        yield found


def has(check: str, says: str, level: str = "Problem") -> Callable[[list[Finding]], bool]:
    return lambda found: any((one.check, one.level) == (check, level) and says in one.message for one in found)


async def test_what_is_as_it_should_be_is_found(world: World):
    world.gateway(service=world.backend())
    world.answers()
    found = await world.until(lambda found: all(one.level == "OK" for one in found))
    assert has("series", "the gateway, Traefik: 1 series of version 1", "OK")(found)
    assert has("query", "the query gives ", "OK")(found)


async def test_without_a_controller_the_dialect_is_found_by_its_series(world: World):
    world.gateway(service=world.backend())
    await world.until(has("dialect", "read as Traefik (found by its series)", "OK"), controller="")


async def test_a_gateways_label_that_gave_way_to_the_scrapes(world: World):
    world.gateway(service="traefik-metrics", exported_service=world.backend())
    await world.until(has("honor-labels", "of the gateway (job triton) stand under exported_service"))


async def test_a_models_labels_that_gave_way(world: World):
    world.answers(version="blue", exported_version="1")
    await world.until(has("honor-labels", "2 series of the model (job triton) stand under exported_version"))


async def test_a_models_name_that_gave_way(world: World):
    world.answers(model="pod", exported_model=world.model)
    await world.until(has("honor-labels", "stand under exported_model"))


async def test_another_route_to_the_same_service(world: World):
    world.gateway(service=world.backend(route="digits-eu"))
    await world.until(has("dialect", f'service="{world.backend(route="digits-eu")}", which is not the name of this'))


async def test_a_service_whose_name_begins_alike_is_another(world: World):
    world.gateway(service=world.backend(service="digits-v10"))
    world.answers()
    found = await world.until(has("dialect", "Traefik counts nothing for version 1, which answered"))
    assert not has("dialect", "digits-v10")(found)


async def test_a_service_of_the_same_name_in_another_namespace_is_another(world: World):
    world.gateway(service=world.backend().replace(world.namespace, "elsewhere"))
    world.answers()
    found = await world.until(has("dialect", "Traefik counts nothing for version 1, which answered"))
    assert not has("dialect", "elsewhere")(found)


async def test_series_that_the_matchers_leave_out(world: World):
    world.answers()
    await world.until(has("matchers", 'that do not match team="a"'), matchers='team="a"')


async def test_series_of_another_version(world: World):
    world.answers(version="7")
    await world.until(has("versions", f"model {world.model} has series of version 7, none of version 1"))


async def test_another_gateway_than_the_one_that_is_read(world: World):
    world.gateway(service="some@file")
    await world.until(
        has("dialect", "no series of the dialect Istio (istio_requests_total) is there; there are series of"),
        controller="istio.io/gateway-controller",  # whose series no other test exports in the same Prometheus
    )


async def test_a_controller_that_nobody_can_read(world: World):
    world.answers()
    await world.until(has("dialect", "the gateways of acme.io/c are not read", "Warning"), controller="acme.io/c")
