"""A rollout as Prometheus holds it: a gateway's counters and histogram, and a model of many layers in two versions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modelrollout.api.spec import Spec
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series
from modelrollout.core.analysis.stats.arrays import Array
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.traefik import TRAEFIK

START = 1_700_000_000.0
HISTORY = 1800.0
LAYERS, UNITS = 64, 512
EDGES = ("0.005", "0.01", "0.02", "0.04", "0.08", "0.16", "0.32", "0.64", "1.28", "+Inf")
_SPREAD = np.array([0.02, 0.1, 0.3, 0.6, 0.85, 0.95, 0.98, 0.995, 0.999, 1.0])
_METRICS = s.metrics_of(TRAEFIK)
_ROUTE = f"httproute-vision-digits-gw-infra-inference-ep-web-0-{'0123456789' * 2}"
FIVE = (
    {"name": "errors", "type": "ErrorRate"},
    {"name": "latency", "type": "Latency"},
    {"name": "accuracy", "type": "Accuracy"},
    {"name": "dead-neurons", "type": "DeadNeurons"},
    {"name": "non-finite", "type": "NonFinite"},
)


@dataclass
class World:
    """All samples of one rollout, and what reading them cost this process (CPU seconds), which is not ours."""

    seconds: float
    scrape: float = 15.0
    rate: float = 40.0
    layers: int = LAYERS
    start: float = START
    """When the rollout began: the candidate has no sample from before."""
    spent: float = 0.0
    made: dict[str, list[Series]] = field(default_factory=lambda: {"gateway": [], "model": []})

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(1)
        whole = np.arange(self.start - HISTORY - 60, self.start + self.seconds + 60, self.scrape)
        self._gateway(((whole + 1.3) * 1000).astype(np.int64))
        for version, share in (("1", 0.8), ("2", 0.2)):
            begin = -np.inf if version == "1" else self.start - 30
            times = whole[whole >= begin] + 2.1 + int(version)
            self._model(version, self.rate * share, (times * 1000).astype(np.int64))

    async def range(self, _server: Any, selector: str, start: float, end: float) -> tuple[Series, ...]:
        """The samples after `start` and up to `end`, as the ledger answers; what this takes is counted in `spent`."""
        began = time.process_time()
        origin = "gateway" if _METRICS[s.GATEWAY_REQUESTS] in selector else "model"
        found = tuple(self.between(origin, round(start * 1000), round(end * 1000), selector))
        self.spent += time.process_time() - began
        return found

    async def steps(self, *_: Any) -> tuple[Series, ...]:
        """No query of a user's."""
        return ()

    def between(self, origin: str, low: int, high: int, selector: str) -> Iterator[Series]:
        """What the "gateway" or the "model" says after `low` and up to `high` (ms), of the metrics in the selector."""
        for one in self.made[origin]:
            if dict(one.labels)["__name__"] in selector:
                first, last = one.times.searchsorted((low, high), side="right")
                if first < last:
                    yield Series(one.labels, one.times[first:last].copy(), one.values[first:last].copy())

    @property
    def series(self) -> int:
        """How many there are."""
        return sum(len(found) for found in self.made.values())

    def _gateway(self, times: Millis) -> None:
        where = {"job": "traefik", "instance": "10.0.0.9:8080"}
        self._add("gateway", _METRICS[s.GATEWAY_HEARTBEAT], times, np.zeros(len(times)), where)
        for version, share in (("1", 0.8), ("2", 0.2)):
            since = times > self.start * 1000 if version == "2" else np.ones(len(times), dtype=bool)
            requests = (self._rng.poisson(self.rate * share * self.scrape, len(times)) * since).astype(float)
            wrong = self._rng.binomial(requests.astype(int), 0.005).astype(float)
            of = {**where, "service": f"{_ROUTE}-svc-vision-digits-v{version}-{int(version) - 1}@kubernetesgateway"}
            for code, grown in (("200", requests - wrong), ("500", wrong)):
                about = {**of, "code": code, "method": "POST", "protocol": "http"}
                self._add("gateway", _METRICS[s.GATEWAY_REQUESTS], times, grown, about)
            for le, grown in zip(EDGES, _cumulated(self._rng, requests), strict=True):
                about = {**of, "code": "200", "method": "POST", "protocol": "http", "le": le}
                self._add("gateway", _METRICS[s.GATEWAY_DURATION], times, grown, about)

    def _model(self, version: str, rate: float, times: Millis) -> None:
        where = {"job": "triton", "instance": f"10.0.1.{version}:8002", "pod": f"digits-v{version}-7d9f-x2x4z"}
        of = {**where, "namespace": "vision", "model": "digits", "version": version}
        rows = self._rng.poisson(rate * self.scrape, len(times)).astype(float)
        right = self._rng.binomial(rows.astype(int), 0.97).astype(float)
        for metric, grown in ((s.SUCCESS, rows), (s.FAILURE, rows * 0)):
            self._add("model", metric, times, grown, of | ({"reason": "OTHER"} if metric == s.FAILURE else {}))
        for metric, grown in ((s.EVALS, rows), (s.CORRECT, right)):
            self._add("model", metric, times, grown, {**of, "source": "labels"})
        for why in ("reused", "width", "rank", "dtype", "empty", "tracing", "internal"):
            self._add("model", s.DROPPED, times, rows * 0, {**of, "reason": why})
        for layer in range(self.layers):
            self._layer({**of, "layer": f"blocks.{layer}.mlp.act"}, rows, times)

    def _layer(self, of: dict[str, str], rows: Array, times: Millis) -> None:
        dead = self._rng.binomial(UNITS, 0.07, len(times)).astype(float)
        for metric, grown in (
            (s.WINDOWS, np.ones(len(times))),
            (s.WINDOW_NEURONS, np.full(len(times), float(UNITS))),
            (s.WINDOW_DEAD, dead),
            (s.WINDOW_DEAD_SQUARED, dead**2),
            (s.OBSERVATIONS, rows),
            (s.OFFERED, rows),
            (s.SAMPLES, rows),
            (s.ELEMENTS, rows * UNITS),
        ):
            self._add("model", metric, times, grown, of)
        for kind in ("nan", "inf"):
            self._add("model", s.NONFINITE, times, rows * 0, {**of, "kind": kind})
        self._put("model", s.WINDOW_SIZE, times, np.full(len(times), 512.0), of)
        self._put("model", s.LAYER_INFO, times, np.ones(len(times)), {**of, "dead_if": "zero"})

    def _add(self, origin: str, metric: str, times: Millis, grown: Any, about: dict[str, str]) -> None:
        self._put(origin, metric, times, np.cumsum(np.asarray(grown, dtype=float)), about)

    def _put(self, origin: str, metric: str, times: Millis, values: Array, about: dict[str, str]) -> None:
        labels: Labels = tuple(sorted({"__name__": metric, **about}.items()))
        self.made[origin].append(Series(labels, times, values))


def _cumulated(rng: np.random.Generator, requests: Any) -> Array:
    """Growth up to each edge, (edges, scrapes)."""
    parts = np.diff(_SPREAD, prepend=0.0)
    return np.array([rng.multinomial(int(one), parts).cumsum() for one in requests]).T


def answer_of(series: tuple[Series, ...]) -> bytes:
    """The series as Prometheus writes them."""
    result = [
        {
            "metric": dict(one.labels),
            "values": [
                [at / 1000, f"{value:.15g}"] for at, value in zip(one.times.tolist(), one.values.tolist(), strict=True)
            ],
        }
        for one in series
    ]
    return json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": result}}, separators=(",", ":")
    ).encode()


def request(gates: tuple[dict[str, str], ...] = FIVE, **changes: Any) -> EvaluationRequest:
    """The rollout that is judged, in the first step since its start."""
    spec = Spec.model_validate(
        {
            "model": {"name": "digits", "version": "2"},
            "serving": {"service": "digits-v{version}"},
            "traffic": {"gateway": {"name": "inference", "namespace": "infra", "hostnames": ["a.b"]}},
            "steps": [{"weight": 20, "hold": "9h"}],
            "gates": list(gates),
        }
    )
    facts: dict[str, Any] = {
        "rollout": "r",
        "namespace": "vision",
        "name": "digits",
        "spec": spec,
        "stable": "1",
        "candidate": "2",
        "started_at": START,
        "evidence_from": START,
        "steps": ((20, START),),
        "dialect": TRAEFIK,
        "raise_from": START + 9 * 3600,
    }
    return EvaluationRequest(**{**facts, **changes})
