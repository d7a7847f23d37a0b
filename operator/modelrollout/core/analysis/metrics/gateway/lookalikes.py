"""Two routes whose names a gateway writes alike are counted as one: where both have traffic, nothing is proven.

The other one may be another namespace's, whose word must not promote a version here. What fails still lowers. Each path
and each method of our own split has a label of its own. Where the dialect can say which are ours, another is one too
many; else as many as the split has matches may grow together without another route.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from modelrollout.api.traffic.protocols import SERVICE, SPLIT_METHODS, SPLIT_PATHS, h2c_route_name
from modelrollout.core import reasons
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.core.finding import Finding
from modelrollout.dialects.dialect import Dialect, OwnSplit

_MATCHES = max(len(SPLIT_PATHS), len(SPLIT_METHODS))
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
    least, ours = TOGETHER * request.interval, request.fact("own splits", lambda: _ours(request))
    for same in spans.values():
        known = {label for label in same if _is_ours(label, dialect, ours)}
        whole = {label: span for label, span in same.items() if label not in known}
        if known:
            whole[min(known)] = min(same[one][0] for one in known), max(same[one][1] for one in known)
        found = together(whole, least, 1 if known or request.git is not None else _MATCHES)
        if found:
            return (_sentence(request, dialect.lookalike, found),)
    return ()


def _is_ours(label: str, dialect: Dialect, ours: tuple[OwnSplit, ...]) -> bool:
    """Whether the label surely is of our own split; False where the dialect cannot tell."""
    assert dialect.lookalike is not None
    keys = set(re.findall(dialect.lookalike, label))
    return any(not keys.isdisjoint(dialect.keys_of(label, split)) for split in ours)


def _ours(request: EvaluationRequest) -> tuple[OwnSplit, ...]:
    """The routes that the operator makes for the resource; nothing of a route that Git owns."""
    if request.git is not None:
        return ()
    namespace, traffic, start = request.namespace, request.spec.traffic, f"/v2/models/{request.spec.model.name}"
    gateway = traffic.gateway.namespace or namespace, traffic.gateway.name
    hosts, calls = tuple(traffic.gateway.hostnames), tuple(traffic.grpc_hostnames)
    paths = tuple(f"/{SERVICE}/{method}" for method in SPLIT_METHODS)
    return (
        OwnSplit(namespace, request.name, *gateway, hosts, paths=tuple(start + end for end in SPLIT_PATHS)),
        OwnSplit(namespace, request.name, *gateway, calls, methods=tuple((SERVICE, name) for name in SPLIT_METHODS)),
        OwnSplit(namespace, h2c_route_name(namespace, request.name), *gateway, calls, paths=paths),
    )


def ambiguous(texts: Sequence[str]) -> Finding | None:
    """Why the gateway's counts prove nothing now, of what `lookalikes` found."""
    if not texts:
        return None
    return Finding(reasons.SERIES_AMBIGUOUS, f"{texts[0]}; nothing is proven until then")


def together(spans: Mapping[str, tuple[float, float]], least: float, most: int = 1) -> tuple[str, ...]:
    """More than `most` names whose spans (begin, end) all share at least `least`, sorted; none where there are not.

    Spans share so much where one moment lies between the begin of each and `least` before its end: it is enough to go
    through the begins in their order. A gateway may have thousands.
    """
    open_ones: list[tuple[float, str]] = []
    for name, (first, last) in sorted(spans.items(), key=lambda item: (item[1], item[0])):
        if last - first < least:
            continue
        open_ones = [(end, other) for end, other in open_ones if end >= first]
        open_ones.append((last - least, name))
        if len(open_ones) > most:
            return tuple(sorted(other for _, other in open_ones))
    return ()


def _growing(one: Series, since: float) -> tuple[float, float] | None:
    """Epoch seconds of the first and the last growth after `since`; None where there was none."""
    grown = np.flatnonzero(one.values[1:] > one.values[:-1]) + 1  # Inf and NaN have no difference
    times = one.times[grown] / 1000
    times = times[times >= since]
    return (float(times[0]), float(times[-1])) if len(times) else None


def _sentence(request: EvaluationRequest, pattern: str, labels: tuple[str, ...]) -> str:
    keys = " and ".join(re.findall(pattern, label)[0] for label in (labels[0], labels[-1]))
    return (
        f"the gateway's metrics write another route like {request.route}, so its requests are counted here too "
        f"({keys} in their labels): dots and dashes are written alike, rename one of the two"
    )
