"""Each dialect whose gateway is an Envoy, on a real one: what was asked of it is what the operator's ledger counts.

Istio's proxy registers a name space of its own, so that Envoy puts no `envoy_` before its series; here that is taken
off between Envoy and Prometheus. All else (edges, units, labels, what becomes of a cluster's name) is Envoy's.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.evaluation import Evaluation, EvaluationRequest
from modelrollout.dialects import registry
from modelrollout.runtime.evaluation.evaluator import Evaluator
from tests.expect import present
from tests.integration.gateways.static_envoy import CLUSTERS, StaticEnvoy
from tests.lab import Prometheus
from tests.unit.analysis.recorded import request_of, spec_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelrollout.adapters.prometheus.ledger import PrometheusLedger

pytestmark = pytest.mark.lab
GATES: tuple[dict[str, Any], ...] = (
    {"name": "errors", "type": "ErrorRate", "method": "Threshold", "max": "5%"},
    {"name": "latency", "type": "Latency", "method": "Threshold", "quantile": 0.5, "max": "100ms"},
)
DOTTED = "httproute/vision/digits.eu/rule/0/backend/1"
HOSTS = {f"{dialect}-{arm}".lower(): name for dialect, arms in CLUSTERS.items() for arm, name in arms.items()}


@dataclass(frozen=True)
class Asked:
    """What has been asked of every cluster `since` then is in the `store`, or will be with the next scrapes."""

    store: Prometheus
    since: float


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("gateways")
    (folder / "targets").mkdir()
    clusters = HOSTS | {"dotted": DOTTED}
    with StaticEnvoy(folder, folder / "targets", clusters) as envoy, _istio(envoy) as page:
        address = f"127.0.0.1:{page.server_port}"
        found = Prometheus(folder, "gateways-test", gateway=address, targets=folder / "targets")
        found.start()
        scraped(found, 2)
        since = round(time.time(), 3)
        stable = [host for host in clusters if host.endswith("-stable")]
        for host in stable:
            envoy.ask(host, 200, 20)
        scraped(found, 5)  # what was asked before the first scrape of a series may not count
        for host in clusters:
            if host in stable:
                envoy.ask(host, 200, 20)
            else:
                envoy.ask(host, 200, 16, milliseconds=110)
                envoy.ask(host, 503, 4)
                envoy.ask(host, 404, 2)
        yield Asked(found, since)
        found.stop()


def scraped(prometheus: Prometheus, times: int) -> None:
    """Wait for so many scrapes of Envoy."""
    end = time.monotonic() + 30
    while True:
        found = prometheus.query("envoy_server_live[60s]")
        if found and len(found[0]["values"]) >= times:
            return
        assert time.monotonic() < end, "Envoy is not scraped"
        time.sleep(0.1)


class _istio(ThreadingHTTPServer):  # noqa: N801 - a context manager
    """Envoy's page as Istio's proxy would write it."""

    daemon_threads = True

    def __init__(self, envoy: StaticEnvoy) -> None:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                lines = envoy.metrics().splitlines()
                own = [each.removeprefix("envoy_") for each in lines if each.startswith("envoy_istio_")]
                body = ("\n".join(own) + "\n").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Silent."""

        super().__init__(("127.0.0.1", 0), Page)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def wanted(dialect: str, since: float, name: str = "digits") -> EvaluationRequest:
    spec = spec_of(*GATES, interval="2s", minimumRequests=20)
    times: dict[str, Any] = {"started_at": since, "evidence_from": since, "steps": ((5, since),)}
    return request_of(spec, dialect=registry.dialect_called(dialect), name=name, **times)


async def judged(
    ledger: PrometheusLedger, prometheus: Prometheus, request: EvaluationRequest, until: Callable[[Evaluation], object]
) -> Evaluation:
    """The first evaluation that is as wanted; the last one after 40 s."""
    server = PrometheusServer(url=prometheus.url, scrape_interval=1.0, matchers="", timeout=10.0)
    judge, end = Evaluator(ledger, OperatorConfig(prometheus=[server])), time.monotonic() + 40
    while True:
        await asyncio.sleep(max(judge.next_due(request, time.time()) - time.time(), 0.01))
        found = await judge.evaluate(request, time.time())
        if isinstance(found, Evaluation) and (until(found) or time.monotonic() > end):
            return found
        assert time.monotonic() < end + 10, f"no evaluation: {found}"


@pytest.mark.parametrize("dialect", sorted(CLUSTERS))
async def test_what_a_real_envoy_counts_is_what_the_operator_reads(
    dialect: str, asked: Asked, ledger: PrometheusLedger
) -> None:
    request = wanted(dialect, asked.since)
    # Envoy brings its histograms up to date every 5 s.
    found = await judged(ledger, asked.store, request, lambda one: all("/22)" in gate.message for gate in one.gates))
    errors, latency = found.gates
    assert found.requests == 22, [gate.message for gate in found.gates]
    assert errors.message.startswith("candidate 18.2 % (4/22) vs stable 0 %")
    assert "slower than 100 ms (16/22) vs stable P50" in latency.message


async def test_a_route_with_a_dot_in_its_name_is_counted_under_no_name_it_has_and_that_is_said(
    asked: Asked, ledger: PrometheusLedger
) -> None:
    request = wanted("EnvoyGateway", asked.since, "digits.eu")
    found = await judged(ledger, asked.store, request, lambda _: True)
    assert found.requests == 0
    assert asked.store.query("envoy_cluster_eu_rule_0_backend_1_upstream_rq > 0"), "what it is called instead"
    assert any("nothing is counted for the ModelRollout digits.eu" in text for text in found.warnings)


def test_every_dialect_of_an_envoy_is_tried_here() -> None:
    envoys = {one.name for one in registry.DIALECTS if one.name == "Istio" or one.requests.startswith("envoy_")}
    assert set(CLUSTERS) == envoys
    for dialect in envoys:
        assert present(registry.dialect_called(dialect)).name == dialect
