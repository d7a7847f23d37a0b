"""The composition root: every adapter is made here, once, and handed down."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import kopf

from modelrollout.adapters.kubernetes.calls import Calls
from modelrollout.adapters.kubernetes.client import connect
from modelrollout.adapters.kubernetes.copies.confirming import Confirming
from modelrollout.adapters.kubernetes.copies.known import Known
from modelrollout.adapters.kubernetes.gateway_facts import KubernetesGatewayFacts
from modelrollout.adapters.kubernetes.postmortems import KubernetesPostmortems
from modelrollout.adapters.kubernetes.preflight_reports import KubernetesPreflightReports
from modelrollout.adapters.kubernetes.store import KubernetesStore
from modelrollout.adapters.notifications import make_channel, make_sinks
from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.adapters.triton.slices import WatchedSlices
from modelrollout.adapters.webhooks.asking import WebhookJudge
from modelrollout.ports import Judge, Unreachable
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.evaluation.webhook_answers import WebhookAnswers
from modelrollout.runtime.exposition.endpoint import Exposition
from modelrollout.runtime.handlers import register
from modelrollout.runtime.health import serve_health
from modelrollout.runtime.lease import Lease
from modelrollout.runtime.metrics import CountedLedger, MemoryMetrics
from modelrollout.runtime.notifier import Notifier
from modelrollout.runtime.postmortems import Postmortems
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.service import Service
from modelrollout.runtime.waking.probing import Probing
from modelrollout.runtime.waking.rounds import EVERY, go_round
from modelrollout.runtime.watch import Watch
from modelrollout.runtime.writes import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.api.config import OperatorConfig
    from modelrollout.ports import PreflightReports
    from modelrollout.runtime.settings import Settings
    from modelrollout.runtime.stop import Stop

log = logging.getLogger(__name__)
AFTER_STOP = 2.0
"""Seconds that watches and handlers have to end after SIGTERM."""
NAMED: dict[str, Any] = {"identity": "modelrollout"}
"""Without it kopf asks the system for its user's name, and that of a Pod's user stands in no passwd: KeyError."""
CLEAN_UP = 0.7
"""Seconds for each thing that is done last: with AFTER_STOP less than stop.LAST_RESORT."""


async def run(settings: Settings, config: OperatorConfig, stop: Stop, lost: Callable[[str], None]) -> int:
    """Lead, and reconcile until `stop` is set; `lost` must end the process."""
    identity = f"{os.environ.get('POD_NAME', socket.gethostname())}-{uuid.uuid4().hex[:8]}"
    # The Lease has its own connections: a burst of work must not queue before its renewal.
    calls, known = Calls(config.api_calls.per_second, config.api_calls.burst), Known(config.resync)
    async with (
        await connect(settings.kubeconfig, calls=calls, known=known) as api,
        await connect(settings.kubeconfig) as apart,
    ):
        lease = _lease(settings, apart, identity)
        await _check(settings, KubernetesStore(api))
        health = await serve_health(*settings.health)
        metrics = process_metrics((api, apart), lease)
        exposition = Exposition(metrics)
        await exposition.serve(*settings.metrics)
        leading = asyncio.create_task(lease.acquire())
        await _first(leading, asyncio.create_task(stop.wait()))
        if stop.is_set():
            return 0
        reports, judge = reports_of(settings, api), WebhookJudge()
        service = build(
            config, api, lease, metrics, stamped=settings.stamped, reports=reports, known=known, judge=judge
        )
        health.watch(service)
        exposition.rollouts = service.shown
        keeping = asyncio.create_task(lease.keep(lost))
        rounds = asyncio.gather(*_rounds(settings, config, api, known, service))
        try:
            await _until(stop, _reconcile(settings, service, stop, known))
        finally:
            notifier = service.reconciler.writer.notifier
            ours = (service.stop(), lease.release(), health.stop(), exposition.stop())
            for last in (*ours, notifier.close(), judge.close()):
                await _soon(last)
            keeping.cancel()
            rounds.cancel()
    return 0


def _rounds(
    settings: Settings, config: OperatorConfig, api: Api, known: Known, service: Service
) -> Iterator[Coroutine[object, object, None]]:
    """Of all resources now and then; of those under way and their routes so often that nobody need read them."""
    every = partial(KubernetesStore(api).versions, settings.namespaces)
    under_way = Confirming(api, known, settings.namespaces)
    yield go_round(every, service.wake, config.resync * EVERY)
    yield go_round(under_way.resources, service.wake, config.resync)
    yield go_round(under_way.routes, service.wake, config.resync, kind="route")


async def _until(stop: Stop, work: Coroutine[object, object, None]) -> None:
    """Do the work until it ends, or AFTER_STOP seconds longer than `stop`: what hangs must not keep the Lease."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    await asyncio.wait({working}, timeout=AFTER_STOP)
    if working.done():
        working.result()
    else:
        working.cancel()
        log.warning("something did not stop within %g s; the Lease is handed over without it", AFTER_STOP)


async def _soon(last: Coroutine[object, object, None]) -> None:
    """Clean up, as far as that goes in CLEAN_UP seconds."""
    try:
        async with asyncio.timeout(CLEAN_UP):
            await last
    except Exception:  # each of them is best effort, and the next one is still to be done
        log.exception("a part of the process did not end cleanly")


def process_metrics(apis: Sequence[Api], lease: Lease) -> MemoryMetrics:
    """Where everything is counted, with what a process that stands by has to tell already."""
    metrics = MemoryMetrics()
    calls = metrics.counter(
        "modelrollout_operator_api_requests_total",
        "Requests to the API server but the watches, by answer, Conflict or reason of failure",
        "method",
        "outcome",
    )
    for api in apis:
        api.told = calls.add
    name = "modelrollout_operator_{}".format
    metrics.gauge(name("build_info"), "1, with the version", "version", read=lambda: {(version("modelrollout"),): 1.0})
    metrics.gauge(
        name("leading"), "Whether this process holds the Lease (1) or stands by (0)", read=lambda: {(): lease.held()}
    )
    metrics.gauge(
        name("lease_transitions"),
        "How often the leader changed, as last read",
        read=lambda: {(): lease.transitions},
    )
    return metrics


def reports_of(settings: Settings, api: Api) -> PreflightReports | None:
    """Where the prober reports; None where there is none."""
    if not settings.preflight_reports:
        return None
    return KubernetesPreflightReports(api, settings.lease_namespace, settings.preflight_reports)


def build(
    config: OperatorConfig,
    api: Api,
    lease: Lease,
    metrics: MemoryMetrics | None = None,
    *,
    stamped: bool = False,
    reports: PreflightReports | None = None,
    known: Known | None = None,
    judge: Judge | None = None,
) -> Service:
    """Every part of a leading operator, connected; `known` is what `api` keeps its answers in."""
    metrics = MemoryMetrics() if metrics is None else metrics
    ledger = CountedLedger(PrometheusLedger(api.clock), metrics)
    evaluator = Evaluator(ledger, config, metrics, WebhookAnswers(judge or WebhookJudge(), config, metrics))
    triton = TritonServer(api, timeout=config.probe_timeout, watched=WatchedSlices(api), probes=config.probes)
    writer = Writer(
        store=KubernetesStore(api),
        notifier=_notifier(config, api, lease, metrics),
        clock=api.clock,
        leads=lease.held,
        superseded=lease.met,
        postmortems=Postmortems(ledger, KubernetesPostmortems(api), config),
        metrics=metrics,
    )
    routers = RegisteredRouters(api, epoch=lambda: lease.epoch)
    reconciler = Reconciler(writer, routers, KubernetesGatewayFacts(api), config, stamped=stamped)
    if known is not None:
        reconciler.follow = known.follow

    def new_watch(namespace: str, name: str) -> Watch:
        probing = Probing(namespace, name, reports, api.clock)
        return Watch(namespace, name, config, triton, evaluator, api.clock, metrics, probing=probing)

    return Service(reconciler, new_watch, api.clock, metrics)


def _notifier(config: OperatorConfig, api: Api, lease: Lease, metrics: MemoryMetrics) -> Notifier:
    outside = {sink.name: (sink, make_channel(sink)) for sink in config.notifications.sinks}
    return Notifier(make_sinks(api, lease.identity), metrics, outside=outside, now=api.clock.now)


async def _check(settings: Settings, store: KubernetesStore) -> None:
    """Fail at once, with a sentence, where the CRD or a right is missing; anything else may pass."""
    try:
        for namespace in settings.namespaces or (None,):
            await store.list_all(namespace)
    except Unreachable as error:
        if error.reason in ("KindMissing", "ApiForbidden"):
            raise
        log.warning("the API server does not answer yet: %s", error)


async def _reconcile(settings: Settings, service: Service, stop: Stop, known: Known) -> None:
    if settings.kubeconfig:
        os.environ["KUBECONFIG"] = settings.kubeconfig  # where kopf's own login looks
    registry = kopf.OperatorRegistry()
    register(registry, service, stop, known)
    scope = {"namespaces": settings.namespaces} if settings.namespaces else {"clusterwide": True}
    await kopf.operator(registry=registry, standalone=True, stop_flag=stop, **scope, **NAMED)


async def _first(*tasks: asyncio.Task[object]) -> None:
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


def _lease(settings: Settings, api: Api, identity: str) -> Lease:
    renew = settings.lease_duration / 3
    return Lease(
        api,
        settings.lease_namespace,
        settings.lease_name,
        identity,
        duration=settings.lease_duration,
        renew=renew,
    )
