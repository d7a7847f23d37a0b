"""What is logged of a pass, a poller, a delivery or a snapshot that failed, and what the health check answers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, cast

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.observation import Event
from modelrollout.ports import Conflict, LedgerFailure, Subject, Unreachable
from modelrollout.runtime import postmortems, service
from modelrollout.runtime.health import Health
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.notifier import Notifier
from modelrollout.runtime.postmortems import Postmortems
from modelrollout.runtime.service import Service
from tests.golden.process.local import instead, logged
from tests.unit.analysis.recorded import StoredLedger, request_of, spec_of
from tests.unit.runtime.in_memory import made

NO_ANSWER = Unreachable("ApiTimeout", "the API server did not answer GET ... within 5 s")


@dataclass
class Fails:
    """Everything asked of it fails, or hangs where there is no failure."""

    failure: Exception | None

    async def run(self, *_: Any) -> float | None:
        if self.failure is None:
            await asyncio.Event().wait()
        raise self.failure or AssertionError

    send = save = run


async def texts() -> dict[str, str]:
    """By what failed, then by how the leader is."""
    return await logs() | await health()


async def logs() -> dict[str, str]:
    found: dict[str, str] = {}
    for title, failure in {
        "a pass without an answer": NO_ANSWER,
        "a pass that meets a conflict": Conflict("the object has been modified"),
        "a pass that takes too long": None,
        "a pass with a defect": KeyError("spec"),
    }.items():
        found[title] = await _pass(failure)
    found["a poller with a defect"] = await _poller()
    for title, failure in {"an Event that is refused": NO_ANSWER, "an Event that takes too long": None}.items():
        found[title] = await _delivery(failure)
    refused = LedgerFailure("PrometheusTimeout", "Prometheus 'default' gave no answer within 10 s")
    found["a snapshot without samples"] = await _snapshot(refused, None)
    found["a snapshot that is refused"] = await _snapshot(
        None, Unreachable("ApiForbidden", "modelrolloutsnapshots is forbidden")
    )
    found["a snapshot that takes too long"] = await _snapshot(None, None)
    return found


def _service(failure: Exception | None) -> Service:
    _, watch, _, clock = made()
    return Service(cast("Any", Fails(failure)), lambda *_: watch, clock)


async def _pass(failure: Exception | None) -> str:
    _, watch, _, _ = made()
    with logged() as lines, instead(service, PASS_TIMEOUT=0.02):
        await _service(failure)._pass(watch, 4)
    return "\n".join(lines)


async def _poller() -> str:
    with logged() as lines:
        task = asyncio.create_task(_service(None)._for_ever(Fails(KeyError("items")).run))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    return "\n".join(lines)


async def _delivery(failure: Exception | None) -> str:
    notifier = Notifier({"kubernetes-events": cast("Any", Fails(failure))}, MemoryMetrics(), patience=0.02)
    with logged() as lines:
        notifier.tell(Subject("vision", "digits"), Event("Promoted", "version 2 serves"))
        await asyncio.gather(*notifier._under_way["kubernetes-events"])
    return "\n".join(lines)


async def _snapshot(answer: LedgerFailure | None, failure: Exception | None) -> str:
    ledger = StoredLedger()
    ledger.failure = answer
    config = OperatorConfig(prometheus=[PrometheusServer(name="default", url="http://prometheus:9090")])
    kept = Postmortems(ledger, cast("Any", Fails(failure)), config)

    async def text(*_: Any) -> str:
        return "{}"

    with logged() as lines, instead(postmortems, PATIENCE=0.02 if failure is None else 30.0):
        if answer is None:
            cast("Any", kept)._text = text
        request = request_of(spec_of())
        kept.begin({}, ["digits-snapshot-0"], request, request.started_at + 60, lambda _: None)
        await asyncio.gather(*kept._tasks)
    return "\n".join(lines)


async def health() -> dict[str, str]:
    checked, led = Health(), _service(None)
    found = {"no leader": await _healthz(checked)}
    checked.watch(led)
    found["no resource"] = await _healthz(checked)
    led.watches[("vision", "digits")] = watch = led.new_watch("vision", "digits")
    watch.due = time.monotonic() + 600
    found["the next pass is in ten minutes"] = await _healthz(checked)
    watch.due -= 602.5
    found["a pass should have begun a moment ago"] = await _healthz(checked)
    watch.due -= 600
    found["no pass for long"] = await _healthz(checked)
    return found


async def _healthz(checked: Health) -> str:
    status, text = checked.state()
    return f"{status} {text}\n"
