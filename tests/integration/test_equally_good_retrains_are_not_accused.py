"""Twenty retrains on the real tritonserver, scraped by a real Prometheus, judged by every activation gate.

Which rows make a window is left to chance, the verdict is not: test_trained_models shows how far each network is from
its limit. How often retrains are accused beside any stable version is in docs/decision-quality.md.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.evaluation import Evaluation
from modelrollout.runtime.evaluation.evaluator import Evaluator
from tests.lab import METRICS, Prometheus, Triton, bodies
from tests.lab.models import CONFIG, DEAD_UNITS, MIDDLING, RETRAINS, Training, build_repository
from tests.unit.analysis.recorded import request_of, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab import Member

STABLE, BROKEN = MIDDLING.seed, len(RETRAINS) + 1
VERSIONS = range(1, BROKEN + 1)
CANDIDATES = [str(version) for version in VERSIONS if version != STABLE]
ROWS, WINDOW = 50, 100
SECONDS, INTERVAL = 60, 5
GATES = (
    {"name": "dead-neurons", "type": "DeadNeurons"},
    {"name": "sparsity", "type": "ZeroRatio"},
    {"name": "negative", "type": "NegativeRatio"},
    {"name": "non-finite", "type": "NonFinite"},
    {"name": "drift", "type": "Drift"},
)


def training(version: int) -> Training:
    """Twenty-one networks that differ by their seed alone; the last version has dead layers."""
    return DEAD_UNITS if version == BROKEN else RETRAINS[version - 1]


@pytest.fixture
def server(member: Member, namespace: str, tmp_path: Path) -> Iterator[Triton]:
    options: dict[str, Any] = {"window": WINDOW, "rows_per_second": 1e6, "flush_seconds": 1.0}
    for version in VERSIONS:
        build_repository(tmp_path / "models", version, behaves_as=2, training=training(version), **options)
    every = ", ".join(map(str, VERSIONS))
    (tmp_path / "models/digits/config.pbtxt").write_text(CONFIG.format(model="digits", version=every, instances=1))
    triton = Triton(member.site, f"{namespace}-retrains", tmp_path / "models", "digits")
    triton.launch()
    triton.wait_ready(180)
    yield triton
    triton.stop()


@pytest.fixture
def prometheus(server: Triton, tmp_path: Path) -> Iterator[Prometheus]:
    target = f"{server.address}:{METRICS}"
    found = Prometheus(tmp_path / "prometheus", "retrains", gateway=target, targets=tmp_path / "targets", scrape=1.0)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def traffic(server: Triton) -> Iterator[None]:
    """The same hold-out rows for every version, in another order each time."""
    over = threading.Event()
    sent = bodies(ROWS)

    def ask() -> None:
        with requests.Session() as session:
            while not over.is_set():
                for version in random.sample(VERSIONS, len(VERSIONS)):
                    url = f"{server.url}/v2/models/digits/versions/{version}/infer"
                    session.post(url, data=random.choice(sent), timeout=10).raise_for_status()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(20)


async def verdicts(prometheus: Prometheus, candidate: str, started: float) -> dict[str, set[str]]:
    """Every verdict that each gate gave within the time, at every tick."""
    ledger = PrometheusLedger()
    server = PrometheusServer(url=prometheus.url, scrape_interval=1.0, matchers="", timeout=10.0)
    judge = Evaluator(ledger, OperatorConfig(prometheus=[server]))
    spec = spec_of(*GATES, interval=f"{INTERVAL}s", minimumRequests=20)
    request = request_of(
        spec,
        stable=str(STABLE),
        candidate=candidate,
        started_at=started,
        evidence_from=started,
        steps=((50, started),),
        dialect=None,
    )
    given: dict[str, set[str]] = {gate["name"]: set() for gate in GATES}
    while time.time() < started + SECONDS:
        found: Any = await judge.evaluate(request, time.time())
        if isinstance(found, Evaluation):
            for gate in found.gates:
                given[gate.name].add(gate.verdict)
        await asyncio.sleep(INTERVAL / 2)
    ledger.close()
    return given


@pytest.mark.usefixtures("traffic")
async def test_no_gate_accuses_an_equally_good_retrain_and_dead_layers_are_found_beside_them(prometheus: Prometheus):
    started = round(time.time(), 3)
    found = await asyncio.gather(*(verdicts(prometheus, candidate, started) for candidate in CANDIDATES))
    given = dict(zip(CANDIDATES, found, strict=True))
    windows = prometheus.query(f'min(model_activation_windows_total{{version=~"{"|".join(CANDIDATES)}"}})')
    broken = given.pop(str(BROKEN))
    passed = sum("PASS" in each["dead-neurons"] for each in given.values())
    print(f"{len(given)} retrains, at least {windows[0]['value'][1]} windows each: {passed} passed by their dead units")
    accused = {version: each for version, each in given.items() if any("FAIL" in said for said in each.values())}
    assert accused == {}
    assert passed >= len(given) / 2  # the others are not proven: neither is an accusation
    assert "FAIL" in broken["dead-neurons"]
