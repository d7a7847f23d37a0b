"""What a whole evaluation is shown: reasons to hold the weight or to roll back, and what is only a warning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from modelrollout.core.analysis.metrics import model_series as s
from tests.golden.gate_cases import Case
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    GATEWAY_ROUTER,
    START,
    Recording,
    backend,
    gateway,
    histogram,
    scrapes,
)

ERRORS: dict[str, Any] = {"name": "errors", "type": "ErrorRate"}


def cases() -> Iterator[Case]:
    """All of them."""
    good = gateway(300, stable=(230, 2), candidate=(10, 0))
    yield Case("every gate in one line", ERRORS, "goes on", 300, (good,))
    yield Case("scrapes are missing", ERRORS, "SamplesMissing", 360, (good,))
    pods = [_pod(name, until) for name, until in (("a", 600), ("b", 600), ("c", 200))]
    latency: dict[str, Any] = {"name": "latency", "type": "Latency"}
    half = {"steps": ((50, START),)}
    yield Case("no histogram anywhere", ERRORS, "goes on", 120, (_triton(),), beside=(latency,), request=half)
    by_triton = {**latency, "source": "Triton"}
    yield Case("Triton's own buckets are too coarse", by_triton, "warns", 120, (_triton(0.1, 0.5, 2, 5),), request=half)
    yield Case("nothing that is asked for is exported", latency, "NothingToJudge", 120, (_triton(),), request=half)
    no_dialect = {**half, "dialect": None, "controller": "konghq.com/gateway-controller"}
    gateways = {**ERRORS, "source": "Gateway"}
    yield Case("a gateway without a dialect", gateways, "NothingToJudge", 120, (_triton(),), request=no_dialect)
    yield Case("an empty store", ERRORS, "NothingToJudge", 120, (), request={"steps": ()})
    yield Case("an address is not scraped", ERRORS, "TargetNotScraped", 280, (good, *pods), request={"addresses": 3})
    yield Case("two routes are written alike", ERRORS, "SeriesAmbiguous", 300, (good, _other_route()))
    yield Case("both versions fail in one incident", {**ERRORS, "max": "1%"}, "SharedIncident", 900, (_incident(),))
    burning = gateway(300, stable=(100, 0.2), candidate=(9.7, 0.3))
    plain = {**ERRORS, "method": "Threshold", "max": "1%"}
    few = {"minimumRequests": 100_000}
    yield Case("an error budget is spent too fast", plain, "BurnRate", 300, (burning,), analysis=few)
    yield Case("addresses serve different weights", ERRORS, "WeightsDiffer", 300, (good, _two_digests()))
    worse = gateway(900, stable=(190, 2), candidate=(38, 1))
    more = ({**ERRORS, "name": "more-errors"},)
    yield Case(
        "several gates together",
        ERRORS,
        "CombinedEvidence",
        301,
        (worse,),
        analysis={"minimumRequests": 1000},
        beside=more,
    )
    lost = gateway(300, stable=(100, 0), candidate=(20, 0))
    lost.growing(GATEWAY_ROUTER, 2, since=START, code="503", service="wrr")
    yield Case("errors that no version answered", ERRORS, "warns", 300, (lost,), request={"steps": ((16, START),)})
    skewed = gateway(300, stable=(100, 0), candidate=(100, 0))
    yield Case("a share far from the weight", ERRORS, "warns", 300, (skewed,))
    coarse = histogram(600, stable={0.01: 200, 0.02: 5}, candidate={0.02: 30})
    yield Case("a histogram too coarse", latency, "warns", 600, (coarse,), request={"steps": ((13, START),)})


def _triton(*edges: float) -> Recording:
    """Servers whose own counters are scraped, and a histogram with these edges (s), if any."""
    found = Recording(scrapes(300), "triton")
    for version, since in (("1", -np.inf), ("2", START)):
        labels = {"model": "digits", "version": version}
        found.growing(s.SUCCESS, 20, since=since, **labels).growing(s.FAILURE, 0, since=since, reason="OTHER", **labels)
        for edge in (*edges, np.inf) if edges else ():
            text = "+Inf" if edge == np.inf else f"{1000 * edge:g}"
            found.growing(s.TRITON_DURATION, 20, since=since, le=text, **labels)
    return found


def _other_route() -> Recording:
    """A route whose label differs from ours in its digest alone."""
    found = Recording(scrapes(300), "traefik")
    for version, since in (("1", -np.inf), ("2", START)):
        label = backend(version)
        digest = re.findall("[0-9a-f]{20}(?=-svc-)", label)[0]
        found.growing(GATEWAY_REQUESTS, 10, since=since, code="200", service=label.replace(digest, digest[::-1]))
    return found


def _incident() -> Recording:
    found = Recording(scrapes(900), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    bad_time = found.times > START + 300
    for version, size, since in (("1", 100, -np.inf), ("2", 20, START)):
        bad = np.where(bad_time, 0.06, 0.005) * size
        for code, growth in (("200", size - bad), ("500", bad)):
            found.growing(GATEWAY_REQUESTS, growth, since=since, code=code, service=backend(version))
    return found


def _pod(name: str, until: float) -> Recording:
    """A server of the candidate that is scraped so long."""
    times = scrapes(until)
    return Recording(times[times >= START], name).growing(s.REQUESTS, 5, model="digits", version="2")


def _two_digests() -> Recording:
    found = Recording(scrapes(300), "triton-marks")
    for digest in ("sha256:b", "sha256:c"):
        found.reading(s.INFO, 1, since=START, model="digits", version="2", digest=digest)
    return found
