"""Stable's history from Prometheus: what the operator would fetch for a rollout that starts now."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.config import PrometheusServer
from modelrollout.cli.lookup.found import Source
from modelrollout.cli.lookup.samples import samples
from modelrollout.cli.lookup.subject import Subject
from modelrollout.cli.target import Failure
from modelrollout.core.analysis.gates.plan.answers import Plan
from modelrollout.core.analysis.gates.plan.history import history_before, plan_before, selections, since
from modelrollout.core.analysis.metrics.model_series import GATEWAY_REQUESTS
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scraped_twice import counted_once
from modelrollout.core.evaluation import EvaluationRequest, another
from modelrollout.ports import LedgerFailure


class NotKnown(Failure):
    """Stable's traffic is not known: the server did not answer usefully."""


def plan_from_store(subject: Subject, source: Source) -> Plan:
    """The plan by what the server has. NotKnown where it does not answer."""
    return asyncio.run(_plan(subject, source, time.time()))


async def _plan(subject: Subject, source: Source, now: float) -> Plan:
    ledger = PrometheusLedger()
    try:
        request, stores = await _read(ledger, subject, _request(subject, now), source)
    finally:
        ledger.close()
    return plan_before(request, stores, source.server.scrape_interval)


def _request(subject: Subject, now: float) -> EvaluationRequest:
    started, version = subject.before or now, subject.spec.model.version
    other = version if version != subject.stable else another(subject.stable)
    return EvaluationRequest(
        rollout="plan",
        namespace=subject.namespace,
        name=subject.name,
        spec=subject.spec,
        stable=subject.stable,
        candidate=other,
        started_at=started,
        evidence_from=started,
        steps=(),
        placed_at=subject.placed_at,
        promoted=subject.promoted,
    )


async def _read(
    ledger: PrometheusLedger, subject: Subject, request: EvaluationRequest, source: Source
) -> tuple[EvaluationRequest, list[SampleStore]]:
    """By the first gateway that counted requests of stable over this route; by the model's own where none did."""
    for dialect in source.dialects:
        asked = replace(request, dialect=dialect, place=subject.place if dialect.version_header else 0)
        stores = await _stores(ledger, source, asked)
        history = history_before(asked, stores, source.server.scrape_interval)
        if history.table.total(GATEWAY_REQUESTS, "stable").sum():
            return asked, stores
    return request, await _stores(ledger, source, request)


async def _stores(ledger: PrometheusLedger, source: Source, request: EvaluationRequest) -> list[SampleStore]:
    server = source.server
    found = [await _samples(ledger, source, one.text, request, server) for one in selections(request, server)]
    return [counted_once(store)[0] for store in found]


async def _samples(
    ledger: PrometheusLedger, source: Source, text: str, request: EvaluationRequest, server: PrometheusServer
) -> SampleStore:
    found = await samples(ledger, server, text, since(request, server), request.started_at)
    if isinstance(found, LedgerFailure):
        hint = f"; {source.reach}" if found.reason == "PrometheusUnreachable" else ""
        raise NotKnown(f"stable's traffic is not known: {found.reason}: {found.message}{hint}")
    return found
