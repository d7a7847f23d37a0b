"""Two routes whose names a gateway writes alike are counted as one: where both have traffic, nothing is proven.

The other one may be another namespace's, whose word must not promote a version here. What fails still lowers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from modelrollout.core import reasons
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.core.finding import Finding

TOGETHER = 3
"""Ticks in which both grow. A route that was changed has a new label too, but the old one stops then."""


def lookalikes(stores: Iterable[SampleStore], reader: SeriesReader, request: EvaluationRequest) -> tuple[str, ...]:
    """A sentence where labels that differ in nothing but the route behind them count the same version."""
    dialect = request.dialect
    if dialect is None or dialect.lookalike is None:
        return ()
    spans: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    for one in (one for store in stores for one in store.named(dialect.requests)):
        labels = dict(one.labels)
        channel = reader.channel(labels)
        if channel is None or channel.metric != s.GATEWAY_REQUESTS:
            continue
        span = _growing(one, request.step_started_at)
        if span is None:
            continue
        label = labels[dialect.label]
        same = spans.setdefault((channel.arm, re.sub(dialect.lookalike, "", label)), {})
        first, last = same.get(label, span)
        same[label] = min(first, span[0]), max(last, span[1])
    least = TOGETHER * request.interval
    for same in spans.values():
        found = together(same, least)
        if found is not None:
            return (_sentence(request, dialect.lookalike, found),)
    return ()


def ambiguous(texts: Sequence[str]) -> Finding | None:
    """Why the gateway's counts prove nothing now, of what `lookalikes` found."""
    if not texts:
        return None
    return Finding(reasons.SERIES_AMBIGUOUS, f"{texts[0]}; nothing is proven until then")


def together(spans: Mapping[str, tuple[float, float]], least: float) -> tuple[str, str] | None:
    """Two names whose spans (begin, end) overlap for at least `least`, sorted; None where no two do.

    In the order of their begin it is enough to look at the one before that ends last: a gateway may have thousands.
    """
    longest: tuple[float, str] | None = None
    for name, (first, last) in sorted(spans.items(), key=lambda item: (item[1], item[0])):
        if longest is not None and min(last, longest[0]) - first >= least:
            one, other = sorted((name, longest[1]))
            return one, other
        longest = max(longest or (last, name), (last, name))
    return None


def _growing(one: Series, since: float) -> tuple[float, float] | None:
    """Epoch seconds of the first and the last growth after `since`; None where there was none."""
    grown = np.flatnonzero(one.values[1:] > one.values[:-1]) + 1  # Inf and NaN have no difference
    times = one.times[grown] / 1000
    times = times[times >= since]
    return (float(times[0]), float(times[-1])) if len(times) else None


def _sentence(request: EvaluationRequest, pattern: str, labels: tuple[str, str]) -> str:
    keys = " and ".join(re.findall(pattern, label)[0] for label in labels)
    return (
        f"the gateway's metrics write another route like {request.route}, so its requests are counted here too "
        f"({keys} in their labels): dots and dashes are written alike, rename one of the two"
    )
