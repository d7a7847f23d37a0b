"""What Prometheus has of one rollout: its samples for the engine, its distributions, its weights; in bounded time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.cli.lookup.found import Source
from modelrollout.cli.lookup.samples import samples
from modelrollout.cli.report.facts import Judgement, Layers
from modelrollout.cli.report.replay import course, distributions, replayed
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.metrics.model_series import (
    GATEWAY_REQUESTS,
    Selection,
    gateway_selection,
    model_selection,
    series_of,
)
from modelrollout.core.analysis.metrics.postmortem import SERIES
from modelrollout.core.analysis.metrics.promql import fill_matchers, quoted
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.stats.parameters import HISTORY
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.ports import LedgerFailure

PATIENCE = 60.0
"""Seconds for all questions of one report."""
LONGEST = 24 * 3600.0
"""Seconds of a rollout that are judged again; of a longer one only its distributions are shown."""
SPAN = 900.0
"""Seconds of distributions, as the operator keeps them."""
WEIGHT = "modelrollout_rollout_weight_desired_percent"
_POINTS = 200


@dataclass(frozen=True)
class Seen:
    """What was found, and in sentences what was not."""

    judgements: tuple[Judgement, ...] = ()
    layers: Layers | None = None
    weights: tuple[tuple[float, int], ...] = ()
    missing: tuple[str, ...] = ()
    course: tuple[Layers, ...] = ()


class _Unread(Exception):  # noqa: N818 - the end of a reading, with its sentence
    """Why the server did not answer usefully."""


async def read_seen(source: Source, request: EvaluationRequest, until: float, *, sliced: bool = False) -> Seen:
    """Everything that the server has of the rollout up to `until`. Never raises for what the server does.

    `sliced`: with the distributions over time, too.
    """
    ledger, seen = PrometheusLedger(), Seen()
    try:
        async with asyncio.timeout(PATIENCE):
            seen = replace(seen, weights=await _weights(ledger, source, request, until))
            seen = replace(seen, layers=await _layers(ledger, source, request, until))
            if sliced:
                seen = replace(seen, course=await _course(ledger, source, request, until))
            if until - request.started_at > LONGEST:
                text = f"Gates were not judged again: it took longer than {LONGEST / 3600:g} h."
                return replace(seen, missing=(text,))
            return replace(seen, judgements=await _judgements(ledger, source, request, until))
    except _Unread as error:
        return replace(seen, missing=(f"Prometheus did not say everything: {error}.",))
    except TimeoutError:
        text = f"Prometheus did not answer everything within {PATIENCE:g} s: what is missing here was not read."
        return replace(seen, missing=(text,))
    finally:
        ledger.close()


async def _judgements(
    ledger: PrometheusLedger, source: Source, request: EvaluationRequest, until: float
) -> tuple[Judgement, ...]:
    model = await _stores(ledger, source, request, until, [_model(request, source)])
    for dialect in source.dialects:
        asked = replace(request, dialect=dialect)
        gateway = await _stores(ledger, source, asked, until, [gateway_selection(asked, source.server, _wanted(asked))])
        if _counts(gateway, asked):
            request, model = asked, [*gateway, *model]
            break
    stop = threading.Event()
    try:
        return await asyncio.to_thread(replayed, request, model, source.server.scrape_interval, until, stop.is_set)
    finally:
        stop.set()  # a thread cannot be cancelled, and the process ends when it does


def _wanted(request: EvaluationRequest) -> frozenset[str]:
    return registry.series_wanted(registry.gates_in_force(request.spec.gates, registry.every_default()))


def _model(request: EvaluationRequest, source: Source) -> Selection | None:
    return model_selection(request, source.server, _wanted(request))


def _counts(stores: Sequence[SampleStore], request: EvaluationRequest) -> bool:
    """Whether any series counts requests of a version behind this route."""
    reader = SeriesReader(request)
    channels = (reader.channel(dict(labels)) for store in stores for labels in store.series)
    return any(one is not None and one.metric == GATEWAY_REQUESTS for one in channels)


async def _stores(
    ledger: PrometheusLedger,
    source: Source,
    request: EvaluationRequest,
    until: float,
    selections: Sequence[Selection | None],
) -> list[SampleStore]:
    since = request.started_at - HISTORY - 3 * source.server.scrape_interval
    wanted = [one for one in selections if one is not None]
    return [_read(await samples(ledger, source.server, one.text, since, until), source) for one in wanted]


def _read(answer: SampleStore | LedgerFailure, source: Source) -> SampleStore:
    if isinstance(answer, LedgerFailure):
        raise _Unread(_why(answer, source))
    return answer


def _why(failure: LedgerFailure, source: Source) -> str:
    hint = f"; {source.reach}" if failure.reason == "PrometheusUnreachable" else ""
    return f"{failure.reason}: {failure.message}{hint}"


async def _layers(ledger: PrometheusLedger, source: Source, request: EvaluationRequest, until: float) -> Layers | None:
    """The last SPAN seconds of the rollout."""
    began = max(request.started_at, until - SPAN)
    store = await _counted(ledger, source, request, (began, until))
    found = await asyncio.to_thread(distributions, request, store, source.server.scrape_interval, (began, until))
    return found if any(found.of.values()) else None


async def _course(
    ledger: PrometheusLedger, source: Source, request: EvaluationRequest, until: float
) -> tuple[Layers, ...]:
    """Of the whole rollout, or the last LONGEST seconds of it."""
    span = max(request.started_at, until - LONGEST), until
    store = await _counted(ledger, source, request, span)
    return await asyncio.to_thread(course, request, store, source.server.scrape_interval, span)


async def _counted(
    ledger: PrometheusLedger, source: Source, request: EvaluationRequest, span: tuple[float, float]
) -> SampleStore:
    """What the layers of both versions counted, of (span[0], span[1]]."""
    text = series_of(request, SERIES, fill_matchers(source.server.matchers, request.namespace))
    return _read(await samples(ledger, source.server, text, *span), source)


async def _weights(
    ledger: PrometheusLedger, source: Source, request: EvaluationRequest, until: float
) -> tuple[tuple[float, int], ...]:
    """As the operator exported them, where it is scraped; each only where it changed."""
    span = max(until - request.started_at, 1.0)
    query = f"max({WEIGHT}{{namespace={quoted(request.namespace)},rollout={quoted(request.name)}}})"
    step = max(span / _POINTS, 1.0)
    answer = await ledger.steps(source.server, query, request.started_at, until, step)
    if isinstance(answer, LedgerFailure):
        raise _Unread(_why(answer, source))
    found: list[tuple[float, int]] = []
    for one in answer[:1]:
        for at, value in zip(one.times, one.values, strict=True):
            weight = round(min(max(float(value), 0.0), 100.0)) if value == value else 0  # noqa: PLR0124 - NaN
            if not found or found[-1][1] != weight:
                found.append((float(at) / 1000, weight))
    return tuple(found)
