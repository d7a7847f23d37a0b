"""Samples as Prometheus would hold them, made from plain growth per scrape; and a ledger that answers from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.spec import Spec
from modelrollout.api.status import DeadShare, PromotedVersion
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import Series, series_at
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.dialect import OwnSplit
from modelrollout.dialects.traefik import TRAEFIK
from modelrollout.ports import LedgerFailure
from modelrollout.runtime.evaluation.crew import Crew
from modelrollout.runtime.evaluation.evaluator import Evaluator

METRICS = s.metrics_of(TRAEFIK)
"""What the recorded gateway calls its series, by role."""
OF_A_GATEWAY = frozenset(METRICS.values())
GATEWAY_REQUESTS, GATEWAY_DURATION = METRICS[s.GATEWAY_REQUESTS], METRICS[s.GATEWAY_DURATION]
GATEWAY_ROUTER, GATEWAY_HEARTBEAT = METRICS[s.GATEWAY_ROUTER], METRICS[s.GATEWAY_HEARTBEAT]
START = 100_000.0
SCRAPE = 5.0
OWN = OwnSplit("vision", "digits", "infra", "inference", ("a.b",), paths=("/v2/models/digits/infer",))
(HASH,) = TRAEFIK.keys_of(f"-ep-web-0-{'0' * 20}-svc-", OWN)
EDGES = (0.01, 0.02, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15)
ROUTE = f"httproute-vision-digits-gw-infra-inference-ep-web-0-{HASH}"


def backend(version: str) -> str:
    """Traefik's label of one version's backend."""
    return f"{ROUTE}-svc-vision-digits-v{version}-{int(version) - 1}@kubernetesgateway"


@dataclass
class Recording:
    """Series by labels, each with rows of (time, value, visible from); `growing` adds a counter from its growth."""

    times: np.ndarray[Any, Any]
    target: str = "one"
    points: dict[tuple[tuple[str, str], ...], Any] = field(default_factory=dict)
    """Shape (samples, 3); a list of as many triples does as well."""

    def growing(self, metric: str, growth: Any, *, since: float = -np.inf, late: Any = 0.0, **labels: str) -> Recording:
        """A counter that grows by `growth` (a number or one per scrape) from `since` on."""
        values = np.cumsum(np.where(self.times >= since, np.broadcast_to(growth, self.times.shape), 0.0))
        self.reading(metric, values, since=since, late=late, **labels)
        return self

    def reading(self, metric: str, values: Any, *, since: float = -np.inf, late: Any = 0.0, **labels: str) -> Recording:
        """A series with these values at the scrapes from `since` on; `late` seconds until they can be read."""
        key = {"__name__": metric, "job": "lab", "instance": self.target, **labels}
        values, late = np.broadcast_to(values, self.times.shape), np.broadcast_to(late, self.times.shape)
        rows = np.stack([self.times, values, self.times + late], axis=1)
        self.points[tuple(sorted(key.items()))] = rows[self.times >= since]
        return self


@contextmanager
def in_this_thread() -> Iterator[None]:
    """What is put into a thread of its own is done at once: on a few samples the thread costs more than the work."""

    async def at_once(_self: Crew, _samples: int, work: Any, /, *arguments: Any, **named: Any) -> Any:
        return work(*arguments, **named)

    with mock.patch.object(Crew, "run", at_once):
        yield


def scrapes(until: float, *, before: float = 1800.0, every: float = SCRAPE) -> np.ndarray[Any, Any]:
    """Scrape times from `before` seconds before the rollout to `until` seconds after its start."""
    return START + np.arange(-before + 1.3, until, every)


class StoredLedger:
    """Answers like Prometheus at `now`: what is not visible yet is not there. `failure` stands in for an outage."""

    def __init__(self, *recordings: Recording) -> None:
        self.recordings = recordings
        self.now = 0.0
        self.failure: LedgerFailure | None = None
        self.asked: list[tuple[str, float, float]] = []
        self.values: list[Series] = []

    async def range(self, _server: Any, selector: str, start: float, end: float) -> Any:
        self.asked.append((selector, start, end))
        if self.failure:
            return self.failure
        gateway, found = GATEWAY_REQUESTS in selector, []
        for recording in self.recordings:
            for labels, points in recording.points.items():
                name = dict(labels)["__name__"]
                if (name in OF_A_GATEWAY) != gateway or name not in selector:
                    continue
                at, _, visible = rows = np.asarray(points, dtype=float).reshape(-1, 3).T
                seen = rows[:2, (start < at) & (at <= end) & (visible <= self.now)]
                if seen.size:
                    found.append(series_at(dict(labels), *seen))
        return tuple(found)

    async def steps(self, _server: Any, query: str, start: float, end: float, step: float) -> Any:
        self.asked.append((query, start, end))
        return self.failure or tuple(self.values)


def spec_of(*gates: dict[str, Any], **analysis: Any) -> Spec:
    return Spec.model_validate(
        {
            "model": {"name": "digits", "version": "2"},
            "serving": {"service": "digits-v{version}"},
            "traffic": {"gateway": {"name": "inference", "namespace": "infra", "hostnames": ["a.b"]}},
            "steps": [{"weight": 5, "hold": "10m"}, {"weight": 50, "hold": "10m"}],
            "gates": list(gates),
            "analysis": {"warmup": "0s", **analysis},
        }
    )


def request_of(spec: Spec, **changes: Any) -> EvaluationRequest:
    facts: dict[str, Any] = {
        "rollout": "r",
        "namespace": "vision",
        "name": "digits",
        "spec": spec,
        "stable": "1",
        "candidate": "2",
        "started_at": START,
        "evidence_from": START,
        "steps": ((5, START),),
        "dialect": TRAEFIK,
    }
    return EvaluationRequest(**{**facts, **changes})


def evaluator(ledger: StoredLedger, **server: Any) -> Evaluator:
    facts = {"url": "http://prometheus.test", "scrape_interval": SCRAPE, "allow_queries": True, **server}
    return Evaluator(ledger, OperatorConfig(prometheus=[PrometheusServer(**facts)]))


async def look(
    request: EvaluationRequest, at: float, *recordings: Recording, values: list[Series] | None = None
) -> Any:
    """The evaluation `at` seconds after the start, by an operator that has just been started."""
    ledger = StoredLedger(*recordings)
    ledger.now, ledger.values = START + at, values or []
    return await evaluator(ledger).evaluate(request, START + at)


def gateway(
    until: float, *, stable: tuple[float, float], candidate: tuple[float, float], before: float = 1800.0
) -> Recording:
    """(good, bad) answers per scrape of both versions at the gateway; the candidate from the start on."""
    found = Recording(scrapes(until, before=before), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for version, (good, bad), since in (("1", stable, -np.inf), ("2", candidate, START)):
        for code, growth in (("200", good), ("503", bad)):
            found.growing(GATEWAY_REQUESTS, growth, since=since, code=code, service=backend(version))
    return found


def histogram(until: float, *, stable: dict[float, float], candidate: dict[float, float]) -> Recording:
    """Requests per scrape by the bucket edge they fall under, of both versions at the gateway."""
    found = Recording(scrapes(until), "traefik")
    for version, spread, since in (("1", stable, -np.inf), ("2", candidate, START)):
        found.growing(GATEWAY_REQUESTS, sum(spread.values()), since=since, code="200", service=backend(version))
        for edge in (*EDGES, np.inf):
            slow = sum(number for under, number in spread.items() if under <= edge)
            name = "+Inf" if edge == np.inf else f"{edge:g}"
            found.growing(GATEWAY_DURATION, slow, since=since, le=name, code="200", service=backend(version))
    return found


def dead_windows(
    until: float, layer: str, *, stable: float, candidate: float, size: tuple[float, float] = (200, 200)
) -> Recording:
    """One window per scrape and version, 100 units, so many of them dead."""
    found = Recording(scrapes(until), f"triton-{layer}")
    for version, dead, since, rows in (("1", stable, -np.inf, size[0]), ("2", candidate, START, size[1])):
        labels = {"model": "digits", "version": version, "layer": layer}
        found.growing(s.WINDOWS, 1, since=since, **labels)
        found.growing(s.WINDOW_NEURONS, 100, since=since, **labels)
        found.growing(s.WINDOW_DEAD, dead, since=since, **labels)
        found.growing(s.WINDOW_DEAD_SQUARED, dead**2, since=since, **labels)
        found.reading(s.WINDOW_SIZE, rows, since=since, **labels)
    return found


def promoted(
    version: str, *, units: int = 100, window_size: int = 200, dead_if: str = "", **dead: float
) -> PromotedVersion:
    """A version that was promoted, with the share of dead units of each layer, as dead_windows measures it."""
    how: dict[str, Any] = {"units": units, "window_size": window_size, "dead_if": dead_if}
    layers = [DeadShare(layer=layer, dead=share, **how) for layer, share in dead.items()]
    return PromotedVersion(version=version, at=START - 86400, layers=layers)
