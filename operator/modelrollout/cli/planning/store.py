"""Stable's history from Prometheus: what the operator would fetch for a rollout that starts now."""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, replace

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.spec import Spec
from modelrollout.cli.commands.lint import read_config
from modelrollout.cli.planning.subject import Subject
from modelrollout.cli.target import Failure
from modelrollout.core.analysis.gates.plan.answers import Plan
from modelrollout.core.analysis.gates.plan.history import history_before, plan_before, selections, since
from modelrollout.core.analysis.metrics.model_series import GATEWAY_REQUESTS
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scraped_twice import counted_once
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.registry import DIALECTS
from modelrollout.ports import LedgerFailure

_CHUNK = 900.0
"""Seconds of samples per query."""


@dataclass(frozen=True)
class Source:
    """The server to ask, and the gateways whose series may be there."""

    server: PrometheusServer
    dialects: tuple[Dialect, ...] = DIALECTS


def source_of(args: argparse.Namespace, spec: Spec) -> Source | None:
    """What the arguments name; None where they name nothing. Failure where it cannot be found."""
    if args.config is not None:
        config = _config(args)
        found = config.server(spec.analysis.prometheus)
        if found is None:
            raise Failure(f"{args.config}: no server is called {spec.analysis.prometheus!r}")
        server = found.model_copy(update={"url": args.prometheus}) if args.prometheus else found
        return Source(server, (*(one.dialect() for one in config.custom_dialects), *DIALECTS))
    if args.prometheus is None:
        return None
    try:
        return Source(PrometheusServer(url=args.prometheus))
    except ValueError as error:
        raise Failure(f"--prometheus is {args.prometheus!r}: write a URL such as http://localhost:9090") from error


def _config(args: argparse.Namespace) -> OperatorConfig:
    config, _ = read_config(args.config)
    if config is None:
        raise Failure(f"{args.config}: not a configuration of the operator")
    return config


def plan_from_store(subject: Subject, source: Source) -> Plan:
    """The plan by what the server has. Failure where it does not answer."""
    return asyncio.run(_plan(subject, source, time.time()))


async def _plan(subject: Subject, source: Source, now: float) -> Plan:
    ledger = PrometheusLedger()
    try:
        request, stores = await _read(ledger, _request(subject, now), source.server, source.dialects)
    finally:
        ledger.close()
    return plan_before(request, stores, source.server.scrape_interval)


def _request(subject: Subject, now: float) -> EvaluationRequest:
    started, version = subject.before or now, subject.spec.model.version
    other = version if version != subject.stable else str(int(subject.stable) + 1)
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
    ledger: PrometheusLedger, request: EvaluationRequest, server: PrometheusServer, dialects: tuple[Dialect, ...]
) -> tuple[EvaluationRequest, list[SampleStore]]:
    """By the first gateway that counted requests of stable over this route; by the model's own where none did."""
    for dialect in dialects:
        asked = replace(request, dialect=dialect)
        stores = await _stores(ledger, server, asked)
        counted = history_before(asked, stores, server.scrape_interval).table.total(GATEWAY_REQUESTS, "stable")
        if counted.sum():
            return asked, stores
    return request, await _stores(ledger, server, request)


async def _stores(ledger: PrometheusLedger, server: PrometheusServer, request: EvaluationRequest) -> list[SampleStore]:
    found = [await _samples(ledger, server, one.text, request) for one in selections(request, server)]
    return [counted_once(store)[0] for store in found]


async def _samples(
    ledger: PrometheusLedger, server: PrometheusServer, text: str, request: EvaluationRequest
) -> SampleStore:
    store, at = SampleStore(), since(request, server)
    while at < request.started_at:
        end = min(at + _CHUNK, request.started_at)
        answer = await ledger.range(server, text, at, end)
        if isinstance(answer, LedgerFailure):
            raise Failure(f"stable's traffic is not known: {answer.reason}: {answer.message}")
        store, at = store.replaced(answer, at, end), end
    return store
