"""A real Prometheus scrapes counters that this test moves: what it moved is what the evaluation counts."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.evaluation import Evaluation, MetricsOutage
from modelrollout.ports import Ledger
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.metrics import CountedLedger, MemoryMetrics
from tests.expect import expect
from tests.lab import Prometheus
from tests.unit.analysis.recorded import GATEWAY_HEARTBEAT, GATEWAY_REQUESTS, backend, request_of, spec_of

pytestmark = pytest.mark.lab
ERRORS = {"name": "errors", "type": "ErrorRate"}
PLAIN = {**ERRORS, "method": "Threshold", "max": "5%"}


class Exporter:
    """A scrape target whose counters the test moves; every series of one scrape is from one moment."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {GATEWAY_HEARTBEAT: 1.0}
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with outer.lock:
                    lines = "".join(f"{name} {value}\n" for name, value in outer.values.items())
                body = lines.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def answered(self, version: str, code: str, number: float) -> None:
        """So many more answers of one version."""
        name = f'{GATEWAY_REQUESTS}{{service="{backend(version)}",code="{code}"}}'
        with self.lock:
            self.values[name] = self.values.get(name, 0.0) + number

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    found = Exporter()
    yield found
    found.close()


@pytest.fixture(scope="module")
def prometheus(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    found = Prometheus(folder, "evaluation-test", gateway=exporter.address, targets=folder / "targets", scrape=1.0)
    found.start()
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def fresh_counters(exporter: Exporter) -> None:
    """A restarted target: the counters of the test before are gone."""
    with exporter.lock:
        exporter.values = {GATEWAY_HEARTBEAT: 1.0}


def evaluator(ledger: Ledger, prometheus: Prometheus) -> Evaluator:
    server = PrometheusServer(url=prometheus.url, scrape_interval=1.0, matchers="", timeout=10.0, allow_queries=True)
    return Evaluator(ledger, OperatorConfig(prometheus=[server]))


def wanted(*gates: dict[str, Any]) -> Any:
    spec = spec_of(*gates, interval="2s", minimumRequests=20)
    started = round(time.time(), 3)
    return request_of(spec, started_at=started, evidence_from=started, steps=((5, started),))


async def scraped(prometheus: Prometheus, times: int) -> None:
    """Wait for so many more scrapes of the exporter."""
    began = time.time()
    async with asyncio.timeout(30):
        while True:
            found = prometheus.query(f"{GATEWAY_HEARTBEAT}[60s]")
            if found and sum(float(at) > began for at, _ in found[0]["values"]) >= times:
                return
            await asyncio.sleep(0.1)


async def watch(
    judge: Evaluator, request: Any, until: Any, *, seconds: float = 40.0
) -> list[Evaluation | MetricsOutage]:
    """Evaluate when the evaluator says so until `until(found)`; fails after `seconds`."""
    found: list[Evaluation | MetricsOutage] = []
    async with asyncio.timeout(seconds):
        while True:
            await asyncio.sleep(max(judge.next_due(request, time.time()) - time.time(), 0.01))
            got = await judge.evaluate(request, time.time())
            if got is not None:
                found.append(got)
                if until(got):
                    return found


async def test_every_request_is_counted_once_from_the_very_first(exporter, prometheus, ledger):
    await scraped(prometheus, 2)  # before any series of ours exists
    request = wanted(PLAIN)
    exporter.answered("1", "200", 900)
    exporter.answered("2", "200", 45)
    exporter.answered("2", "500", 5)
    judge = evaluator(ledger, prometheus)
    found = await watch(judge, request, lambda e: isinstance(e, Evaluation) and e.requests >= 50)
    assert expect(Evaluation, found[-1]).requests == 50
    exporter.answered("2", "200", 50)
    found = await watch(judge, request, lambda e: e.requests > 50)
    last = expect(Evaluation, found[-1])
    assert last.requests == 100
    assert last.gates[0].message.startswith("candidate 5 % (5/100) vs stable 0 %; allowed <= 5 %")


async def test_a_restarted_target_loses_no_request_that_was_scraped(exporter, prometheus, ledger):
    exporter.answered("2", "200", 1000)
    await scraped(prometheus, 3)
    request = wanted(PLAIN)
    with exporter.lock:
        exporter.values = {GATEWAY_HEARTBEAT: 1.0}
    exporter.answered("2", "200", 30)
    found = await watch(evaluator(ledger, prometheus), request, lambda e: e.requests > 0)
    assert expect(Evaluation, found[-1]).requests == 30


async def test_a_breach_becomes_a_failure_and_the_evaluation_costs_two_queries(exporter, prometheus, ledger):
    metrics = MemoryMetrics()
    request, judge = wanted(ERRORS, PLAIN | {"name": "plain"}), evaluator(CountedLedger(ledger, metrics), prometheus)
    queries, server = metrics.counters["modelrollout_operator_queries_total"].values, "default"
    stop = asyncio.Event()

    async def traffic() -> None:
        while not stop.is_set():
            exporter.answered("1", "200", 20)
            exporter.answered("2", "200", 2)
            exporter.answered("2", "500", 2)
            await asyncio.sleep(0.1)

    running = asyncio.create_task(traffic())
    await watch(judge, request, lambda e: e.tick >= 1)
    before = queries[server, "answered"]
    found = await watch(judge, request, lambda e: {g.verdict for g in e.gates} == {"FAIL"})
    stop.set()
    await running
    assert queries[server, "answered"] - before <= 3 * len(found)
    assert [gate.verdict for gate in expect(Evaluation, found[-1]).gates] == ["FAIL", "FAIL"]


async def test_prometheus_down_is_blind_and_back_is_current(exporter, prometheus, ledger):
    request, judge = wanted(PLAIN), evaluator(ledger, prometheus)
    exporter.answered("2", "200", 1)
    await scraped(prometheus, 2)  # or its first sample comes after the gap, and its start is unknown
    await watch(judge, request, lambda e: isinstance(e, Evaluation))
    prometheus.stop()
    exporter.answered("2", "200", 99)
    found = await watch(judge, request, lambda e: isinstance(e, MetricsOutage))
    assert expect(MetricsOutage, found[-1]).reason == "PrometheusUnreachable"
    prometheus.start()
    found = await watch(judge, request, lambda e: isinstance(e, Evaluation) and e.requests >= 99)
    assert expect(Evaluation, found[-1]).halt is None


async def test_query_gates_read_one_number_at_the_tick_ends(exporter, prometheus, ledger):
    exporter.answered("2", "200", 7)
    query = {"type": "Query", "min": "5"}
    one = f'sum({GATEWAY_REQUESTS}{{service=~".*{{{{service}}}}-.*"}})'
    gates = (
        {**query, "name": "one", "query": one},
        {**query, "name": "several", "query": f"{GATEWAY_HEARTBEAT} or vector(9)"},
        {**query, "name": "nan", "query": "vector(0)/0"},
        {**query, "name": "infinite", "query": "vector(1)/0"},
        {**query, "name": "scalar", "query": "9"},
        {**query, "name": "empty", "query": "no_such_series"},
        {**query, "name": "broken", "query": "sum("},
    )
    request = wanted(*gates)
    found = await watch(evaluator(ledger, prometheus), request, lambda e: e.gates[0].verdict == "PASS")
    judged = expect(Evaluation, found[-1]).gates
    verdicts = {gate.name: (gate.verdict, gate.message.split(":")[0].split(";")[0]) for gate in judged}
    assert verdicts["one"][0] == "PASS"
    assert verdicts["scalar"][0] == "PASS"
    assert verdicts["several"] == ("NO_DATA", "SeveralSeries")
    assert verdicts["nan"] == ("NO_DATA", "NotANumber")
    assert verdicts["infinite"] == ("NO_DATA", "NotANumber")
    assert verdicts["empty"] == ("NO_DATA", "EmptyAnswer")
    assert verdicts["broken"] == ("NO_DATA", "PrometheusRejected")
