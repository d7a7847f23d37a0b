"""Stable's history from Prometheus: what the operator would fetch for a rollout that starts now."""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import replace

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.spec import Spec
from modelrollout.cli.commands.lint import read_config
from modelrollout.cli.planning.subject import Subject
from modelrollout.cli.target import Failure
from modelrollout.core.analysis.gates.plan.answers import Plan
from modelrollout.core.analysis.gates.plan.history import plan_before, selections, since
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scraped_twice import counted_once
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.registry import DIALECTS, NO_DIALECT
from modelrollout.ports import LedgerFailure

_CHUNK = 900.0
"""Seconds of samples per query."""


def server_of(args: argparse.Namespace, spec: Spec) -> PrometheusServer | None:
    """The server that the arguments name; None where they name none. Failure where it cannot be found."""
    if args.config is not None:
        config = _config(args)
        found = config.server(spec.analysis.prometheus)
        if found is None:
            raise Failure(f"{args.config}: no server is called {spec.analysis.prometheus!r}")
        return found.model_copy(update={"url": args.prometheus}) if args.prometheus else found
    if args.prometheus is None:
        return None
    try:
        return PrometheusServer(url=args.prometheus)
    except ValueError as error:
        raise Failure(f"--prometheus is {args.prometheus!r}: write a URL such as http://localhost:9090") from error


def _config(args: argparse.Namespace) -> OperatorConfig:
    config, _ = read_config(args.config)
    if config is None:
        raise Failure(f"{args.config}: not a configuration of the operator")
    return config


def plan_from_store(subject: Subject, server: PrometheusServer) -> Plan:
    """The plan by what the server has. Failure where it has nothing, or does not answer."""
    return asyncio.run(_plan(subject, server, time.time()))


async def _plan(subject: Subject, server: PrometheusServer, now: float) -> Plan:
    ledger = PrometheusLedger()
    try:
        request, stores = await _read(ledger, _request(subject, now), server)
    finally:
        ledger.close()
    return plan_before(request, [counted_once(store)[0] for store in stores], server.scrape_interval)


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
        promoted=subject.promoted,
    )


async def _read(
    ledger: PrometheusLedger, request: EvaluationRequest, server: PrometheusServer
) -> tuple[EvaluationRequest, list[SampleStore]]:
    """By the first gateway whose series of this route are there; by the model's own where none has any."""
    for dialect in (*(one.name for one in DIALECTS), NO_DIALECT):
        asked = replace(request, dialect=dialect)
        chosen = selections(asked, server)
        stores = [await _samples(ledger, server, one.text, asked) for one in chosen]
        if dialect == NO_DIALECT or any(
            store.size for one, store in zip(chosen, stores, strict=True) if one.origin == "gateway"
        ):
            break
    return asked, stores


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
