"""What one run has counted, by version: the series that gates read. Everything exists at 0 before the first row."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    import numpy.typing as npt

    from modelrollout.prober.asking.ask import Answer

EDGES = tuple(0.001 * 2 ** (step / 2) for step in range(26))
"""Seconds, from 1 ms to 5.8 s."""
LABELS = ("namespace", "rollout", "model", "version", "run")
PREFIX = "modelrollout_preflight_"
Metric = CounterMetricFamily | HistogramMetricFamily


@dataclass
class ArmCounts:
    """One version's."""

    labels: tuple[str, ...]
    """Values of LABELS."""
    sources: tuple[str, ...]
    """golden, where rows have labels, and shadow."""
    requests: int = 0
    errors: int = 0
    answers: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    nonfinite: dict[str, int] = field(default_factory=lambda: {"nan": 0, "inf": 0})
    judged: dict[str, int] = field(default_factory=dict)
    right: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.judged = dict.fromkeys(self.sources, 0)
        self.right = dict.fromkeys(self.sources, 0)

    def failed(self) -> None:
        """A row got no answer."""
        self.requests += 1
        self.errors += 1

    def answered(self, seconds: float, answer: Answer) -> None:
        """A row got one, after so many seconds."""
        self.requests += 1
        self.answers += 1
        self.seconds += seconds
        self.buckets[bisect_left(EDGES, seconds)] += 1
        kind = nonfinite_of(answer)
        if kind:
            self.nonfinite[kind] += 1

    def judge(self, source: str, *, right: bool) -> None:
        """An answer was compared."""
        self.judged[source] += 1
        self.right[source] += right


def nonfinite_of(answer: Answer) -> str:
    """Nan or inf where any output has one, NaN first; else empty."""
    floats = [array for array in answer.values() if array is not None and array.dtype.kind == "f"]
    if any(np.isnan(array).any() for array in floats):
        return "nan"
    return "inf" if any(np.isinf(array).any() for array in floats) else ""


def said(output: npt.NDArray[Any] | None) -> object:
    """What an output says, so that two answers can be compared: a class, or all of its bytes.

    One number is a class by itself; of several scores the highest is. None where there is no such output.
    """
    if output is None or not output.size:
        return None
    flat = output.reshape(-1)
    if flat.size == 1 and flat.dtype.kind in "biuf":
        return int(flat[0]) if math.isfinite(flat[0]) else None
    if output.ndim <= 2 and flat.dtype.kind == "f":  # noqa: PLR2004 - a batch axis, and the scores
        return int(np.argmax(flat)) if np.isfinite(flat).all() else None
    return flat.tobytes()


def metrics_of(runs: Iterable[tuple[ArmCounts, ...]]) -> list[Metric]:
    """All runs' series."""
    found = [arm for arms in runs for arm in arms]
    plain = (("requests", "Rows sent"), ("errors", "Rows without an answer"), ("answers", "Answers"))
    metrics: list[Metric] = []
    for name, about in plain:
        family = CounterMetricFamily(PREFIX + name, f"{about} in a pre-flight", labels=LABELS)
        for arm in found:
            family.add_metric(arm.labels, getattr(arm, name))
        metrics.append(family)
    metrics += [
        _detailed("nonfinite_answers", "Answers with NaN or Inf", "kind", found, lambda arm: arm.nonfinite),
        _detailed("judged", "Answers that could be compared", "source", found, lambda arm: arm.judged),
        _detailed("right", "Answers as expected", "source", found, lambda arm: arm.right),
    ]
    times = HistogramMetricFamily(PREFIX + "duration_seconds", "Seconds to an answer in a pre-flight", labels=LABELS)
    for arm in found:
        counts = np.cumsum(arm.buckets).tolist()
        edges = [*(f"{edge:.6g}" for edge in EDGES), "+Inf"]
        times.add_metric(arm.labels, list(zip(edges, counts, strict=True)), arm.seconds)
    return [*metrics, times]


def _detailed(name: str, about: str, label: str, arms: list[ArmCounts], read: Any) -> CounterMetricFamily:
    family = CounterMetricFamily(PREFIX + name, f"{about} in a pre-flight", labels=(*LABELS, label))
    for arm in arms:
        for detail, value in read(arm).items():
            family.add_metric((*arm.labels, detail), value)
    return family
