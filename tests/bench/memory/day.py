"""One rollout of a day with 64 layers: what the process holds while it is judged, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.core.evaluation import Evaluation
from modelrollout.runtime.evaluation.evaluator import Evaluator
from tests.bench.memory.operator_process import MIB, Memory, request_to, resident

DAY = 86_400.0
LAYERS = 64
A_LAYER, A_MODEL = 28, 69
"""Series of one version; see docs/metrics.md."""
EVERY = 15.0


class Full:
    """A Prometheus that has all of it."""

    async def range(self, _server: Any, _selector: str, start: float, end: float) -> tuple[Series, ...]:
        times = np.arange(np.ceil(start / EVERY) * EVERY, end, EVERY)
        millis = (times * 1000).astype(np.int64)
        return tuple(Series(labels, millis.copy(), np.floor(times)) for labels in _ALL)

    async def steps(self, *_: Any) -> tuple[Series, ...]:
        return ()


def _labels(metric: str, version: int, layer: int, number: int) -> tuple[tuple[str, str], ...]:
    about = {"model": "digits", "version": str(version), "layer": f"layer-{layer}", "namespace": "bench"}
    where = {"job": "triton", "instance": f"10.0.0.{version}:8002", "pod": f"digits-{version}", "number": str(number)}
    return tuple(sorted({"__name__": metric, **about, **where}.items()))


_COUNTS = (s.WINDOWS, s.WINDOW_NEURONS, s.WINDOW_DEAD, s.WINDOW_DEAD_SQUARED)
_ALL = [
    _labels(_COUNTS[number] if number < len(_COUNTS) else s.REQUESTS, version, layer, number)
    for version in (1, 2)
    for layer in range(LAYERS + 1)
    for number in range(A_LAYER if layer < LAYERS else A_MODEL)
]


async def _judged(now: float) -> tuple[Evaluation, int]:
    evaluator = Evaluator(Full(), OperatorConfig(prometheus=[PrometheusServer(name="s0", url="http://none.test")]))
    request = request_to(0, now - DAY, interval=EVERY)
    found = await evaluator.evaluate(replace(request, evidence_from=now - DAY), now)
    assert isinstance(found, Evaluation), found
    return found, evaluator.held


def main() -> None:
    """Print one line of JSON."""
    rest, memory = resident(), Memory()
    began = time.monotonic()
    with memory:
        found, held = asyncio.run(_judged(float(int(time.time()))))
    said = next((text for text in found.warnings if "forgotten" in text), "all of it counts")
    about = {"series": len(_ALL), "held": held / MIB, "seconds": time.monotonic() - began, "said": said}
    print(json.dumps({"rest": rest, "most": memory.most, **about}))


if __name__ == "__main__":
    main()
