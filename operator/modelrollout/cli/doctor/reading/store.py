"""What the Prometheus server has of both versions, read as the operator reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.gates import QueryGate
from modelrollout.cli.doctor.checks.request import request_of, span_of
from modelrollout.cli.doctor.facts import QueryFacts, StoreFacts, Subject
from modelrollout.cli.doctor.reading.hints import build, hints
from modelrollout.cli.lookup.found import Source
from modelrollout.cli.lookup.samples import samples
from modelrollout.core.analysis.gates.plan.history import selections
from modelrollout.core.analysis.gates.query import query_text
from modelrollout.core.analysis.metrics.model_series import GATEWAY_REQUESTS
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.registry import by_controller, dialect_called
from modelrollout.ports import Clock, LedgerFailure

_BEFORE = 3
"""Scrapes before the first tick, so that it has one to be counted from."""


async def read_store(subject: Subject, source: Source, controller: str, clock: Clock, whose: str) -> StoreFacts:
    """Everything that is known of the rollout's series. `clock` is `whose`: the server's is compared with it."""
    ledger = PrometheusLedger(clock)
    now, known = clock.now(), _known(source, controller)
    facts = StoreFacts(source, now, request_of(subject, now, None), clock=whose, controller=controller)
    facts = replace(facts, span=span_of(subject.spec.analysis.interval))
    try:
        failure = await _greeted(ledger, facts)
        if failure is not None and failure.reason == "ClockSkew":
            ledger.close()
            facts, ledger = replace(facts, skew=failure.message), PrometheusLedger()
            failure = await _greeted(ledger, facts)
        return await _read(ledger, facts, subject, known) if failure is None else replace(facts, failure=failure)
    finally:
        ledger.close()


async def _greeted(ledger: PrometheusLedger, facts: StoreFacts) -> LedgerFailure | None:
    """Why the server does not answer the least question; None where it does."""
    answer = await ledger.steps(facts.source.server, "vector(1)", facts.now, facts.now, 1.0)
    return answer if isinstance(answer, LedgerFailure) else None


def _known(source: Source, controller: str) -> tuple[Dialect | None, ...] | None:
    """The dialect of the Gateway's controller, or None for one that has none; None where nobody knows which it is."""
    if not controller:
        return None
    if source.config is not None:
        return (source.config.dialect_of(controller),)
    return (dialect_called(by_controller().get(controller, "")),)


async def _read(
    ledger: PrometheusLedger, facts: StoreFacts, subject: Subject, known: Sequence[Dialect | None] | None
) -> StoreFacts:
    how: Literal["controller", "series", "none"] = "none" if known is None else "controller"
    for dialect in facts.source.dialects if known is None else known:
        request = request_of(subject, facts.now, dialect)
        stores = await _stores(ledger, facts, request)
        if isinstance(stores, LedgerFailure):
            return replace(facts, failure=stores)
        facts = replace(facts, request=request, stores=stores)
        if known is not None or _counts(stores, request):
            how = how if known is not None else "series"
            break
    else:
        request = request_of(subject, facts.now, None)
        stores = await _stores(ledger, facts, request)
        if isinstance(stores, LedgerFailure):
            return replace(facts, failure=stores)
        facts = replace(facts, request=request, stores=stores)
    facts = replace(facts, dialect_by=how, build=await build(ledger, facts))
    return replace(facts, hints=await hints(ledger, facts), queries=await _queries(ledger, facts, subject))


def _counts(stores: Sequence[SampleStore], request: EvaluationRequest) -> bool:
    """Whether any series counts requests of a version behind this route."""
    reader = SeriesReader(request)
    channels = (reader.channel(dict(labels)) for store in stores for labels in store.series)
    return any(one is not None and one.metric == GATEWAY_REQUESTS for one in channels)


async def _stores(
    ledger: PrometheusLedger, facts: StoreFacts, request: EvaluationRequest
) -> tuple[SampleStore, ...] | LedgerFailure:
    server, found = facts.source.server, []
    since = request.started_at - _BEFORE * server.scrape_interval
    for one in selections(request, server):
        store = await samples(ledger, server, one.text, since, facts.now)
        if isinstance(store, LedgerFailure):
            return store
        found.append(store)
    return tuple(found)


async def _queries(ledger: PrometheusLedger, facts: StoreFacts, subject: Subject) -> tuple[QueryFacts, ...]:
    """Each Query gate's answer now: for the candidate, or for stable where none is tried."""
    version = subject.candidate or subject.stable
    found = []
    for gate in subject.spec.gates:
        if isinstance(gate, QueryGate):
            text = query_text(gate, replace(facts.request, candidate=version))
            answer = await ledger.steps(facts.source.server, text, facts.now, facts.now, 1.0)
            if isinstance(answer, LedgerFailure):
                found.append(QueryFacts(gate.name, f"{answer.reason}: {answer.message}"))
            else:
                values = [float(one.values[-1]) for one in answer if len(one.values)]
                number = values[0] if values and math.isfinite(values[0]) else None
                found.append(QueryFacts(gate.name, "", len(values), number))
    return tuple(found)
