"""Whatever hangs, is gone or is refused: the first write takes the candidate's traffic away, and soon."""

from __future__ import annotations

import json
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support.hands import PROMISE, ask, reasons, took
from tests.e2e.support.stage import BRISK, Stage
from tests.e2e.support.story import Story, gates
from tests.lab import Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab import Exchange

STEPS = [{"weight": 30, "hold": "5m"}]
REFUSED = b'{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no","code":403}'
CONFLICT = b'{"kind":"Status","status":"Failure","reason":"Conflict","message":"the object was modified","code":409}'
MINUTE = 60.0


@pytest.fixture
def api(stage: Stage) -> FaultProxy:
    return stage.member.api_faults()


@pytest.fixture
def prometheus(stage: Stage) -> FaultProxy:
    return stage.member.http_faults(stage.member.site.prometheus)


@contextmanager
def fault(proxy: FaultProxy, wrong: Fault, **where: Any) -> Iterator[None]:
    rule = proxy.add(wrong, **where)
    yield
    proxy.remove(rule)


@contextmanager
def unready_stable(story: Story) -> Iterator[None]:
    story.scenario.services[1].set_ready(False, 1)
    yield
    story.scenario.services[1].set_ready(True, 1)


@contextmanager
def sleeping_candidate(story: Story) -> Iterator[None]:
    process = story.scenario.services[2].servers[0].process
    assert process is not None
    process.signal(signal.SIGSTOP)
    yield
    process.signal(signal.SIGCONT)


@contextmanager
def no_service(story: Story) -> Iterator[None]:
    story.kube.delete("v1", "Service", story.scenario.namespace, "digits-v2")
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


def test_an_abort_takes_the_traffic_away_whatever_else_is_broken(stage: Stage, api: FaultProxy, prometheus: FaultProxy):
    story = stage.story(1, 2, replicas=2, operate={"api": api.url, "prometheus": prometheus.url})
    seen = Observation(api)
    story.adopt(steps=STEPS)
    troubles = {
        "a stable pod is not ready": unready_stable(story),
        "Prometheus hangs": fault(prometheus, Fault(delay=60)),
        "Events are refused": fault(api, Fault(status=403, body=REFUSED), method="POST", path="/events"),
        "a candidate's server hangs": sleeping_candidate(story),
        "the candidate's Service is gone": no_service(story),
    }
    for attempt, (what, trouble) in enumerate(troubles.items(), start=2):
        story.change({"spec": {"attempt": attempt, "model": {"version": "2"}}})
        story.wait_weight(2, 30)
        story.wait("rest", lambda s: s.get("reason") in ("TooFewRequests", "StepHolding"))
        began = time.time()
        with trouble:
            ask(story, "abort", 2)
            took(story, f"abort while {what}", 2, 0, began)
            story.wait("the end", lambda s: s.get("candidate") is None)
            assert seen.since(began)[:2] == ["lowering", "record"], what
            assert story.status()["history"][-1]["result"] == "Aborted"


def breach(story: Story, prometheus: FaultProxy, seen: Observation) -> tuple[int, str, float]:
    """(version, how it ends, when the breach was known): the newest answer of Prometheus before the lowering."""
    story.version(5)
    end = time.time() + 120
    while not seen.writes:
        assert time.time() < end, story.told()
        time.sleep(0.05)
    return 5, "RolledBack", max(query.at for query in prometheus.requests() if query.at < seen.writes[0][0])


def abort(story: Story, _prometheus: FaultProxy, _seen: Observation) -> tuple[int, str, float]:
    """The same of a person's abort, which is known when it is given."""
    story.version(2)
    story.wait_weight(2, 30)
    return 2, "Aborted", ask(story, "abort", 2).at


@pytest.mark.parametrize("cause", [breach, abort])
def test_traffic_taken_away_stays_away_while_its_record_is_refused_for_a_minute(
    stage: Stage, api: FaultProxy, prometheus: FaultProxy, cause: Callable[..., tuple[int, str, float]]
):
    story = stage.story(1, 2, 5, rate=BRISK, operate={"api": api.url, "prometheus": prometheus.url})
    seen = Observation(api)
    refused = api.add(Fault(status=409, body=CONFLICT), method="PUT", path="/status", when=records_the_end)
    events = api.add(Fault(status=403, body=REFUSED), method="POST", path="/events")
    client = story.adopt(gates=gates("errors", "non-finite"), steps=STEPS)
    assert client is not None
    version, result, known = cause(story, prometheus, seen)
    service, end = story.scenario.service_name(version), time.time() + 10
    while (gone := story.record.first(service, 0, since=known)) is None:
        assert time.time() < end, story.told()
        time.sleep(0.05)
    lowering, which = seen.writes[0]
    assert which == "lowering"
    print(f"{cause.__name__} known -> route write: {lowering - known:.3f} s (promised: {PROMISE:g} s)")
    assert lowering - known < 3 * PROMISE
    while time.time() < gone + MINUTE:
        assert story.weight(version) == 0
        time.sleep(0.5)
    print(f"the record was refused {refused.used} times in {MINUTE:.0f} s")
    assert refused.used > 2
    assert refused.used < 4 * MINUTE, "a busy loop"
    api.remove(events)
    api.remove(refused)
    story.wait_phase("RolledBack", deadline=30)
    assert story.weight(version) <= 0
    assert [h["result"] for h in story.status()["history"]] == ["Adopted", result]
    if cause is breach:
        story.wait("its Event", lambda _: "GateFailed" in reasons(story), 20)
    assert all(w.weights.get(service, 0) == 0 for w in story.record.seen if w.at >= gone)
