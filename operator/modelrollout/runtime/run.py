"""The composition root: every adapter is made here, once, and handed down."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import kopf

from modelrollout.adapters.kubernetes.calls import Calls
from modelrollout.adapters.kubernetes.client import connect
from modelrollout.adapters.kubernetes.gateway_facts import KubernetesGatewayFacts
from modelrollout.adapters.kubernetes.postmortems import KubernetesPostmortems
from modelrollout.adapters.kubernetes.store import KubernetesStore
from modelrollout.adapters.notifications import make_channel, make_sinks
from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.adapters.triton.slices import WatchedSlices
from modelrollout.ports import Unreachable
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.exposition.endpoint import Exposition
from modelrollout.runtime.handlers import register
from modelrollout.runtime.health import serve_health
from modelrollout.runtime.lease import Lease
from modelrollout.runtime.metrics import CountedLedger, MemoryMetrics
from modelrollout.runtime.notifier import Notifier
from modelrollout.runtime.postmortems import Postmortems
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.service import Service
from modelrollout.runtime.waking.rounds import EVERY, go_round
from modelrollout.runtime.watch import Watch
from modelrollout.runtime.writes import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.api.config import OperatorConfig
    from modelrollout.runtime.settings import Settings
    from modelrollout.runtime.stop import Stop

log = logging.getLogger(__name__)
AFTER_STOP = 2.0
"""Seconds that watches and handlers have to end after SIGTERM."""
CLEAN_UP = 0.7
"""Seconds for each thing that is done last: with AFTER_STOP less than stop.LAST_RESORT."""


async def run(settings: Settings, config: OperatorConfig, stop: Stop, lost: Callable[[str], None]) -> int:
    """Lead, and reconcile until `stop` is set; `lost` must end the process."""
    identity = f"{os.environ.get('POD_NAME', socket.gethostname())}-{uuid.uuid4().hex[:8]}"
    # The Lease has its own connections: a burst of work must not queue before its renewal.
    calls = Calls(config.api_calls.per_second, config.api_calls.burst)
    async with await connect(settings.kubeconfig, calls=calls) as api, await connect(settings.kubeconfig) as apart:
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
        service = build(config, api, lease, metrics, stamped=settings.stamped)
        health.watch(service)
        exposition.rollouts = service.shown
        keeping = asyncio.create_task(lease.keep(lost))
        versions = partial(KubernetesStore(api).versions, settings.namespaces)
        rounds = asyncio.create_task(go_round(versions, service.wake, config.resync * EVERY))
        try:
            await _until(stop, _reconcile(settings, service, stop))
        finally:
            notifier = service.reconciler.writer.notifier
            for last in (service.stop(), lease.release(), health.stop(), exposition.stop(), notifier.close()):
                await _soon(last)
            keeping.cancel()
            rounds.cancel()
    return 0


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


def build(
    config: OperatorConfig, api: Api, lease: Lease, metrics: MemoryMetrics | None = None, *, stamped: bool = False
) -> Service:
    """Every part of a leading operator, connected."""
    metrics = MemoryMetrics() if metrics is None else metrics
    ledger = CountedLedger(PrometheusLedger(api.clock), metrics)
    evaluator = Evaluator(ledger, config, metrics)
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

    def new_watch(namespace: str, name: str) -> Watch:
        return Watch(namespace, name, config, triton, evaluator, api.clock, metrics)

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


async def _reconcile(settings: Settings, service: Service, stop: Stop) -> None:
    if settings.kubeconfig:
        os.environ["KUBECONFIG"] = settings.kubeconfig  # where kopf's own login looks
    registry = kopf.OperatorRegistry()
    register(registry, service, stop)
    scope = {"namespaces": settings.namespaces} if settings.namespaces else {"clusterwide": True}
    await kopf.operator(registry=registry, standalone=True, stop_flag=stop, **scope)


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
