"""Between the operator and the API server anything may go wrong: nothing is lost or done twice."""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import TYPE_CHECKING, Any

from tests.e2e.support.hands import PATIENT, reasons
from tests.e2e.support.leaders import LATENESS, check_holds, exposures, kept_running, raises_to
from tests.e2e.support.rollouts import Rollouts
from tests.e2e.support.writes import CONFLICT
from tests.lab import WRITES, Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab import Exchange

STEPS = [{"weight": 20, "hold": "4s"}, {"weight": 50, "hold": "4s"}]
SHORT: dict[str, Any] = {"steps": STEPS, "bake": "4s"}
KINDS = ("modelrollouts", "httproutes")
WRONG = (
    Fault(status=409, body=CONFLICT),
    Fault(status=429, headers={"Retry-After": "1"}),
    Fault(status=500),
    Fault(drop=True),
    Fault(drop_answer=True),
    Fault(delay=8),
    Fault(status=503),
)


class Sour:
    """Every `nth` request of the chosen methods goes wrong, in every way in turn; leases are spared."""

    def __init__(self, proxy: FaultProxy, methods: set[str], nth: int) -> None:
        self.methods, self.nth = methods, nth
        self.counter, self.ways = itertools.count(1), itertools.cycle(WRONG)
        self.rule = proxy.add(Fault(), when=self.strikes)

    def strikes(self, exchange: Exchange) -> bool:
        spared = exchange.is_watch or re.search("/leases|/api$|/apis$|/version", exchange.path)
        if exchange.method not in self.methods or spared or next(self.counter) % self.nth:
            return False
        self.rule.fault = next(self.ways)
        return True


def test_a_rollout_ends_right_when_every_third_write_and_every_seventh_read_goes_wrong(rollouts: Rollouts):
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, operate={"api": proxy.url})
    steps = [{"weight": 20, "hold": "8s"}, {"weight": 50, "hold": "8s"}]  # time for every way to go wrong
    client = live.adopt(steps=steps, bake="4s")
    writes, reads = Sour(proxy, WRITES, 3), Sour(proxy, {"GET"}, 7)
    with kept_running(live):
        live.version(2)
        status = live.ended(200)
    print(f"{writes.rule.used} writes and {reads.rule.used} reads went wrong")
    assert writes.rule.used >= len(WRONG)
    assert [entry["result"] for entry in status["history"]] == ["Adopted", "Promoted"], live.report()
    assert live.weights(2) == [0, 20, 50, 100]
    check_holds(live, 2, 8)
    proxy.clear()
    live.wait("rest", lambda s: s["conditions"][0]["status"] == "True")
    assert live.weight(2) == 100
    assert client is not None
    client.stop()
    assert client.failed == []


class Late:
    """Every `nth` read of an object, and every list, is answered with what the same request was answered before."""

    def __init__(self, proxy: FaultProxy, nth: int) -> None:
        self.before, self.used = dict[str, bytes](), 0
        for kind in KINDS:
            proxy.add(Fault(rewrite=self._of(f"{kind} list")), method="GET", path=rf"/{kind}(\?|$)", when=_not_watch)
            proxy.add(Fault(rewrite=self._of(kind, nth)), method="GET", path=f"/{kind}/", when=_not_watch)

    def _of(self, what: str, nth: int = 1) -> Callable[[bytes], bytes]:
        counter = itertools.count(1)

        def answer(now: bytes) -> bytes:
            before, self.before[what] = self.before.get(what, now), now
            if next(counter) % nth or before == now:
                return now
            self.used += 1
            return before

        return answer


def _not_watch(exchange: Exchange) -> bool:
    return not exchange.is_watch


def test_late_lists_and_reads_and_replayed_events_move_nothing_twice_and_nothing_wrong(rollouts: Rollouts):
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, operate={"api": proxy.url})
    client = live.adopt(**SHORT)
    late = Late(proxy, 2)
    replay = proxy.add(Fault(replay=True), when=lambda e: e.is_watch)
    proxy.cut_watches()
    with kept_running(live):
        live.version(2)
        assert live.ended(200)["history"][-1]["result"] == "Promoted", live.report()
    print(f"{late.used} answers were late by one, {replay.used} watches replayed every event")
    assert late.used >= 3
    assert replay.used >= 1
    assert [entry["result"] for entry in live.status()["history"]] == ["Adopted", "Promoted"]
    assert live.weights(2) == [0, 20, 50, 100]
    check_holds(live, 2, 4)
    live.wait("the last Event", lambda _: "Promoted" in [reason for reason, _ in live.events()], 20)
    reasons = [reason for reason, _ in live.events()]
    assert [reasons.count(each) for each in ("RolloutStarted", "BakeStarted", "Promoted")] == [1, 1, 1], reasons
    assert client is not None
    client.stop()
    assert client.failed == []


def test_a_raise_that_comes_late_is_held_from_when_it_came(rollouts: Rollouts):
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, operate={"api": proxy.url})
    # Two steps: the last one waits for proof as well, which takes longer than its hold.
    steps = [{"weight": 20, "hold": "12s"}, {"weight": 50, "hold": "2s"}]
    live.adopt(steps=steps, bake="2s", analysis={"minimumRequests": 1, "warmup": "0s"})
    raises = raises_to(20)
    refused = proxy.add(
        Fault(status=500), method="PATCH", path="/httproutes", when=lambda e: raises(json.loads(e.body or b"{}"))
    )
    live.version(2)
    live.wait("a refused raise", lambda _: refused.used > 0)
    time.sleep(8)
    assert live.weight(2) <= 0
    proxy.remove(refused)
    assert live.ended_well() == "Promoted", live.report()
    assert live.weights(2) == [0, 20, 50, 100]
    assert dict(exposures(live, 2))[20] >= 12 - LATENESS


def test_cut_and_silent_watches_lose_no_change(rollouts: Rollouts):
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, operate={"api": proxy.url})
    client = live.adopt(**SHORT)
    proxy.add(Fault(cut_after=1.0), path=r"(modelrollouts|httproutes)(\?|$)", when=lambda e: e.is_watch)
    proxy.cut_watches()
    live.version(2)
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    assert live.weights(2) == [0, 20, 50, 100]
    check_holds(live, 2, 4)
    print(f"{len(proxy.requests(path='watch=true'))} watches in one rollout")

    proxy.clear()
    silent = proxy.add(Fault(silent=True), when=lambda e: e.is_watch)
    proxy.cut_watches()
    end = time.monotonic() + 30
    while not silent.used:
        assert time.monotonic() < end
        time.sleep(0.1)
    said = time.time()
    live.change({"spec": {"model": {"version": "1"}, "rollbackWindow": "24h"}})
    gone = None
    while gone is None:
        assert time.time() - said < 60, live.report()
        gone = live.record.first("digits-v1", 100, since=said)
        time.sleep(0.1)
    print(f"spec changed under a silent watch -> all traffic back: {gone - said:.1f} s (given up after 27 s)")
    assert live.wait("stable", lambda s: s.get("stable") == "1")["history"][-1]["result"] == "FastRollback"
    assert client is not None
    client.stop()
    assert client.failed == []


def test_a_route_that_cannot_be_written_is_reported_and_written_once_it_can(rollouts: Rollouts):
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, operate={"api": proxy.url, "arguments": PATIENT})
    client = live.adopt(**SHORT)
    live.version(2)
    live.wait_weight(2, 20)
    forbidden = b'{"kind":"Status","status":"Failure","reason":"Forbidden","message":"httproutes: no","code":403}'
    rule = proxy.add(Fault(status=403, body=forbidden), method="PATCH|PUT|POST", path="/httproutes")
    status = live.wait("the refusal", lambda s: s["reason"] == "RouteNotWritten", 60)
    assert (status["weight"]["desired"], status["weight"]["observed"]) == (50, 20)
    assert "httproutes: no" in status["message"]
    assert ("Stalled", "True") in [(each["type"], each["status"]) for each in status["conditions"]]
    proxy.remove(rule)
    assert live.ended_well() == "Promoted", live.report()
    live.wait("rest", lambda s: s["conditions"][0]["status"] == "True" and live.weight(2) == 100)
    assert live.weights(2) == [0, 20, 50, 100]
    assert reasons(live).count("RouteNotWritten") == 1
    assert client is not None
    client.stop()
    assert client.failed == []
