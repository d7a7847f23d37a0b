"""Record counters that a real gateway and real model servers export, for the study.

`python -m tests.bench.decisions.record` takes about 25 minutes: real requests through Traefik to Triton, versions
that differ in a known way, counters read back from Prometheus as raw samples and differenced as the operator does it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import requests

from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.increments import increments
from modelrollout.core.analysis.metrics.series import Series, make_series
from tests.bench.decisions.recorded import DATA
from tests.bench.decisions.traces import INTERVAL
from tests.lab import Lab, Scenario

NAMESPACE = "recording"
RATE = 60.0
WEIGHT = 10
STABLE, EQUAL, WITH_NAN = 1, 2, 3
USUAL, WORSE = 0.01, 0.05
"""Shares of requests that meet NaN."""
MARGIN = 2 * INTERVAL
"""Between phases, so that a route change does not fall into a tick."""
RANGE = "45m"
_HEALTHY, _BAD, _PAST, _BROKEN = 600.0, 240.0, 300.0, 120.0


@dataclass(frozen=True)
class Phase:
    """What happened from `begin` for `length` seconds, and against which candidate version."""

    name: str
    wanted: bool
    kind: str
    candidate: int
    begin: float
    length: float


def main() -> None:
    """Run all phases and write the recording."""
    with Lab(scrape=1.0) as lab:
        scenario = lab.scenario(NAMESPACE)
        for version, share in ((STABLE, USUAL), (EQUAL, USUAL), (WITH_NAN, WORSE)):
            scenario.serve(version, behaves_as=2, nan_share=share, replicas=3 if version == EQUAL else 1)
        scenario.split({STABLE: 100})
        scenario.wait_routed()
        with scenario.client(rate=RATE, batch=1, limit=7200.0):
            began = time.time()
            phases = list(_run(scenario))
            time.sleep(10)  # until the last samples are scraped
        recording = [_read(lab.prometheus.url, phase, began) for phase in phases]
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(json.dumps({"interval": INTERVAL, "phases": recording}) + "\n", encoding="utf-8")
    print(f"{len(recording)} phases in {DATA}")


def _run(scenario: Scenario) -> Iterator[Phase]:
    time.sleep(_PAST)
    split = f"{WEIGHT} % of {RATE * 60:,.0f} requests a minute"
    for name, wanted, candidate, length in (
        (f"NaN in 1 % of both versions; {split}", False, EQUAL, _HEALTHY),
        (f"NaN in 5 % against 1 %; {split}", True, WITH_NAN, _BAD),
    ):
        yield _phase(scenario, name, wanted=wanted, kind="nan", candidate=candidate, length=length)
    scenario.split({STABLE: 100 - WEIGHT, EQUAL: WEIGHT})
    time.sleep(MARGIN)
    begin = time.time()
    scenario.services[EQUAL].kill(0)  # its address stays published, as after a node loss
    print("one of three servers killed", flush=True)
    time.sleep(_BROKEN)
    yield Phase(f"one of the candidate's three servers dies; {split}", True, "errors", EQUAL, begin, _BROKEN)


def _phase(scenario: Scenario, name: str, *, wanted: bool, kind: str, candidate: int, length: float) -> Phase:
    scenario.split({STABLE: 100 - WEIGHT, candidate: WEIGHT})
    time.sleep(MARGIN)
    print(name, flush=True)
    begin = time.time()
    time.sleep(length)
    return Phase(name, wanted, kind, candidate, begin, length)


def _read(url: str, phase: Phase, began: float) -> dict[str, object]:
    """Counts per tick of the phase: [bad, total] of both versions, and of stable before it."""
    read = _with_nan if phase.kind == "nan" else _failed
    ticks = round(phase.length / INTERVAL)
    before = int(min(_PAST, phase.begin - began) / INTERVAL)
    return {
        "name": phase.name,
        "wanted": phase.wanted,
        "candidate": read(url, phase.candidate, phase.begin, 0, ticks),
        "stable": read(url, STABLE, phase.begin, 0, ticks),
        "past": read(url, STABLE, phase.begin, -before, before),
    }


def _with_nan(url: str, version: int, begin: float, first: int, ticks: int) -> list[list[float]]:
    """Rows with NaN in the layer that has most of them, and all rows."""
    where = f'namespace="{NAMESPACE}",version="{version}"'
    metrics = ("nonfinite_elements", "elements", "samples")
    found: dict[str, dict[str, np.ndarray]] = {}
    for metric in metrics:
        for one in _series(url, f"model_activation_{metric}_total{{{where}}}"):
            name = dict(one.labels)["layer"]
            grown = increments(one, make_grid(begin, INTERVAL, first, first + ticks - 1), from_zero=False)
            layers = found.setdefault(name, {each: np.zeros(ticks) for each in metrics})
            layers[metric] = layers[metric] + grown
    bad, rows = np.zeros(ticks), np.zeros(ticks)
    for layer in found.values():
        width = layer["elements"].sum() / max(layer["samples"].sum(), 1)
        with_nan = np.abs(np.ceil(layer["nonfinite_elements"] / max(width, 1) - 1e-9))
        bad, rows = np.maximum(bad, np.minimum(with_nan, layer["samples"])), np.maximum(rows, layer["samples"])
    return np.stack([bad, rows], axis=1).tolist()


def _failed(url: str, version: int, begin: float, first: int, ticks: int) -> list[list[float]]:
    """Answers with a 5xx code at the gateway, and all answers."""
    bad, total = np.zeros(ticks), np.zeros(ticks)
    for one in _series(url, f'traefik_service_requests_total{{service=~".*{NAMESPACE}-digits-v{version}-.*"}}'):
        # the gateway has been scraped all along: a series that is new began at 0
        grown = increments(one, make_grid(begin, INTERVAL, first, first + ticks - 1), from_zero=True)
        total = total + grown
        if dict(one.labels)["code"].startswith("5"):
            bad = bad + grown
    return np.stack([bad, total], axis=1).tolist()


def _series(url: str, selector: str) -> list[Series]:
    answer = requests.get(f"{url}/api/v1/query", params={"query": f"{selector}[{RANGE}]"}, timeout=30)
    answer.raise_for_status()
    return [
        make_series(one["metric"], ((float(at), float(value)) for at, value in one["values"]))
        for one in answer.json()["data"]["result"]
    ]


if __name__ == "__main__":
    main()
