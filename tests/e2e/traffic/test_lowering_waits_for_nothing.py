"""Whatever hangs, is gone or is refused: the first write takes the candidate's traffic away, and soon."""

from __future__ import annotations

import json
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support.hands import PROMISE, ask, reasons, took
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.lab import Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab import Exchange

STEPS = [{"weight": 30, "hold": "5m"}]
REFUSED = b'{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no","code":403}'
CONFLICT = b'{"kind":"Status","status":"Failure","reason":"Conflict","message":"the object was modified","code":409}'
LONG = 20.0
"""Seconds: many times what a write takes that is tried again."""


@pytest.fixture
def api(rollouts: Rollouts) -> FaultProxy:
    return rollouts.member.api_faults()


@pytest.fixture
def prometheus(rollouts: Rollouts) -> FaultProxy:
    return rollouts.member.http_faults(rollouts.member.site.prometheus)


@contextmanager
def fault(proxy: FaultProxy, wrong: Fault, **where: Any) -> Iterator[None]:
    rule = proxy.add(wrong, **where)
    yield
    proxy.remove(rule)


@contextmanager
def unready_stable(live: LiveRollout) -> Iterator[None]:
    live.scenario.services[1].set_ready(False, 1)
    yield
    live.scenario.services[1].set_ready(True, 1)


@contextmanager
def sleeping_candidate(live: LiveRollout) -> Iterator[None]:
    process = live.scenario.services[2].servers[0].process
    assert process is not None
    process.signal(signal.SIGSTOP)
    yield
    process.signal(signal.SIGCONT)


@contextmanager
def no_service(live: LiveRollout) -> Iterator[None]:
    live.kube.delete("v1", "Service", live.scenario.namespace, "digits-v2")
    yield


class Observation:
    """What reached the API server that lowers, and what records an end: (time.time(), which), in order."""

    def __init__(self, api: FaultProxy) -> None:
        self.writes: list[tuple[float, str]] = []
        api.add(Fault(), method="PUT|PATCH", when=self.note)

    def note(self, exchange: Exchange) -> bool:
        body = json.loads(exchange.body or b"{}")
        if "httproutes" in exchange.path and isinstance(body, list):
            self.writes.append((time.time(), "lowering"))
        if records_the_end(exchange):
            self.writes.append((time.time(), "record"))
        return False

    def since(self, began: float) -> list[str]:
        return [which for at, which in self.writes if at >= began]


def records_the_end(exchange: Exchange) -> bool:
    body = json.loads(exchange.body or b"{}")
    return isinstance(body, dict) and (body.get("status") or {}).get("phase") == "RolledBack"


def test_an_abort_takes_the_traffic_away_with_all_else_broken(
    rollouts: Rollouts, api: FaultProxy, prometheus: FaultProxy
):
    live = rollouts.start(1, 2, replicas=2, operate={"api": api.url, "prometheus": prometheus.url})
    seen = Observation(api)
    live.adopt(steps=STEPS)
    troubles = {
        "a stable pod is not ready": unready_stable(live),
        "Prometheus hangs": fault(prometheus, Fault(delay=60)),
        "Events are refused": fault(api, Fault(status=403, body=REFUSED), method="POST", path="/events"),
        "a candidate's server hangs": sleeping_candidate(live),
        "the candidate's Service is gone": no_service(live),
    }
    for attempt, (what, trouble) in enumerate(troubles.items(), start=2):
        live.change({"spec": {"attempt": attempt, "model": {"version": "2"}}})
        live.wait_weight(2, 30)
        live.wait("rest", lambda s: s.get("reason") in ("TooFewRequests", "StepHolding"))
        began = time.time()
        with trouble:
            ask(live, "abort", 2)
            took(live, f"abort while {what}", 2, 0, began)
            live.wait("the end", lambda s: s.get("candidate") is None)
            assert seen.since(began)[:2] == ["lowering", "record"], what
            assert live.status()["history"][-1]["result"] == "Aborted"


def breach(live: LiveRollout, prometheus: FaultProxy, seen: Observation) -> tuple[int, str, float]:
    """(version, how it ends, when the breach was known): the newest answer of Prometheus before the lowering."""
    live.version(5)
    end = time.time() + 120
    while not seen.writes:
        assert time.time() < end, live.report()
        time.sleep(0.05)
    return 5, "RolledBack", max(query.at for query in prometheus.requests() if query.at < seen.writes[0][0])


def abort(live: LiveRollout, _prometheus: FaultProxy, _seen: Observation) -> tuple[int, str, float]:
    """The same of a person's abort, which is known when it is given."""
    live.version(2)
    live.wait_weight(2, 30)
    return 2, "Aborted", ask(live, "abort", 2).at


@pytest.mark.parametrize("cause", [breach, abort])
def test_traffic_taken_away_stays_away_while_its_record_is_refused(
    rollouts: Rollouts, api: FaultProxy, prometheus: FaultProxy, cause: Callable[..., tuple[int, str, float]]
):
    live = rollouts.start(1, 2, 5, rate=BRISK, operate={"api": api.url, "prometheus": prometheus.url})
    seen = Observation(api)
    refused = api.add(Fault(status=409, body=CONFLICT), method="PUT", path="/status", when=records_the_end)
    events = api.add(Fault(status=403, body=REFUSED), method="POST", path="/events")
    client = live.adopt(gates=gates("errors", "non-finite"), steps=STEPS)
    assert client is not None
    version, result, known = cause(live, prometheus, seen)
    service, end = live.scenario.service_name(version), time.time() + 10
    while (gone := live.record.first(service, 0, since=known)) is None:
        assert time.time() < end, live.report()
        time.sleep(0.05)
    lowering, which = seen.writes[0]
    assert which == "lowering"
    print(f"{cause.__name__} known -> route write: {lowering - known:.3f} s (promised: {PROMISE:g} s)")
    assert lowering - known < 3 * PROMISE
    while time.time() < gone + LONG:
        assert live.weight(version) == 0
        time.sleep(0.5)
    print(f"the record was refused {refused.used} times in {LONG:.0f} s")
    assert refused.used > 2
    assert refused.used < 4 * LONG, "a busy loop"
    api.remove(events)
    api.remove(refused)
    live.wait_phase("RolledBack", deadline=30)
    assert live.weight(version) <= 0
    assert [h["result"] for h in live.status()["history"]] == ["Adopted", result]
    if cause is breach:
        live.wait("its Event", lambda _: "GateFailed" in reasons(live), 20)
    assert all(w.weights.get(service, 0) == 0 for w in live.record.seen if w.at >= gone)
