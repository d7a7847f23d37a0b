"""Two routes whose names a gateway writes alike are counted as one: where both have traffic, people are warned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import combinations

import numpy as np

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import EvaluationRequest

TOGETHER = 3
"""Ticks in which both grow. A route that was changed has a new label too, but the old one stops then."""


def lookalikes(stores: Iterable[SampleStore], reader: SeriesReader, request: EvaluationRequest) -> tuple[str, ...]:
    """A sentence where labels that differ in nothing but the route behind them count the same version."""
    dialect = request.dialect
    if dialect is None or dialect.lookalike is None:
        return ()
    spans: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    for one in (one for store in stores for one in store.series.values()):
        labels = dict(one.labels)
        channel = reader.channel(labels)
        span = _growing(one, request.step_started_at)
        if channel is None or channel.metric != s.GATEWAY_REQUESTS or span is None:
            continue
        label = labels[dialect.label]
        same = spans.setdefault((channel.arm, re.sub(dialect.lookalike, "", label)), {})
        first, last = same.get(label, span)
        same[label] = min(first, span[0]), max(last, span[1])
    least = TOGETHER * request.interval
    for same in spans.values():
        for (one_label, one_span), (other_label, other_span) in combinations(sorted(same.items()), 2):
            if min(one_span[1], other_span[1]) - max(one_span[0], other_span[0]) >= least:
                return (_sentence(request, dialect.lookalike, (one_label, other_label)),)
    return ()


def _growing(one: Series, since: float) -> tuple[float, float] | None:
    """Epoch seconds of the first and the last growth after `since`; None where there was none."""
    grown = np.flatnonzero(one.values[1:] > one.values[:-1]) + 1  # Inf and NaN have no difference
    times = one.times[grown] / 1000
    times = times[times >= since]
    return (float(times[0]), float(times[-1])) if len(times) else None


def _sentence(request: EvaluationRequest, pattern: str, labels: tuple[str, str]) -> str:
    keys = " and ".join(re.findall(pattern, label)[0] for label in labels)
    return (
        f"the gateway's metrics write another route like {request.name}, so its requests are counted here too "
        f"({keys} in their labels): dots and dashes are written alike, rename one of the two"
    )
