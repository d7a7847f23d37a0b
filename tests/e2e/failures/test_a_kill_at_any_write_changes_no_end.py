"""The operator dies at the first write of every kind that a rollout makes: nothing is lost, nothing is done twice."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from modelrollout.adapters.kubernetes.command_annotation import COMMAND
from tests.e2e.support.hands import answer, ask
from tests.e2e.support.leaders import check_holds, kept_running
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.e2e.support.writes import kind_of
from tests.lab import Fault, FaultProxy

if TYPE_CHECKING:
    from tests.lab import Exchange

HOLD = 3
LEASE = "--lease-duration=4"
APPROVED: dict[str, Any] = {"steps": [{"weight": 50, "hold": f"{HOLD}s", "approval": True}], "bake": f"{HOLD}s"}


class Reaper:
    """SIGKILLs the operator at the first write of every kind, before it takes effect; chaos also does it after."""

    def __init__(self, live: LiveRollout, proxy: FaultProxy) -> None:
        self.live, self.seen = live, set[str]()
        self.rule = proxy.add(Fault(drop=True), method="PUT|PATCH|POST", when=self.strikes)

    def strikes(self, exchange: Exchange) -> bool:
        kind = kind_of(exchange)
        if not kind or kind in self.seen:
            return False
        self.seen.add(kind)
        self.live.operator.process.signal(signal.SIGKILL)
        return True


@pytest.mark.long
@pytest.mark.timeout(600)  # a dozen leaders and more, each waiting for the Lease of the one before
def test_a_kill_at_any_write_of_a_promotion_and_an_abort_changes_no_end(rollouts: Rollouts):
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, operate={"api": proxy.url, "arguments": (LEASE,)})
    reaper = Reaper(live, proxy)
    with kept_running(live):
        live.apply(1, **APPROVED)
        live.wait("adoption", lambda s: s.get("stable") == "1", 150)
        live.wait_served(150)
        client = live.adopt(**APPROVED)
        live.version(2)
        live.wait_phase("AwaitingApproval", deadline=200)
        approved = ask(live, "approve", 2, 0)
        status = live.wait("promotion", lambda s: s.get("stable") == "2", 300)
        assert [entry["result"] for entry in status["history"]] == ["Adopted", "Promoted"], live.report()
        assert (status["lastCommand"]["nonce"], status["lastCommand"]["result"]) == (approved.nonce, "applied")
        live.change({"spec": {"rollbackWindow": "0s", "model": {"version": "1"}}})
        live.wait("the step", lambda s: s.get("phase") == "AwaitingApproval" and live.weight(1) == 50, 200)
        asked = ask(live, "abort", 1)
        assert answer(live, asked, 120) == "applied"
        status = live.wait("the end", lambda s: s.get("candidate") is None, 120)
        live.wait("rest", lambda _: COMMAND not in ((live.resource() or {})["metadata"].get("annotations") or {}), 60)
    assert (live.status()["lastCommand"]["nonce"], live.status()["lastCommand"]["result"]) == (asked.nonce, "applied")
    print(f"killed {len(reaper.seen)} times, at: {'; '.join(sorted(reaper.seen))}")
    assert len(reaper.seen) >= 12
    assert [entry["result"] for entry in status["history"]] == ["Adopted", "Promoted", "Aborted"], live.report()
    assert live.weights(2) == [0, 50, 100, 50, 100]
    check_holds(live, 2, HOLD)
    assert client is not None
    client.stop()
    assert client.failed == []


@pytest.mark.long
@pytest.mark.timeout(500)
def test_a_kill_at_any_write_of_a_rollback_and_a_deletion_changes_no_end(rollouts: Rollouts):
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, 5, rate=BRISK, operate={"api": proxy.url, "arguments": (LEASE,)})
    client = live.adopt(gates=gates("errors", "non-finite"), steps=[{"weight": 20, "hold": "30s"}])
    assert client is not None
    reaper = Reaper(live, proxy)
    with kept_running(live):
        live.version(5)
        status = live.wait("the rollback", lambda s: s["history"][-1]["result"] == "RolledBack", 200)
        assert [entry["result"] for entry in status["history"]] == ["Adopted", "RolledBack"], live.report()
        live.version(2)
        live.wait("the step", lambda _: live.weight(2) == 20, 200)
        print(f"killed at: {'; '.join(sorted(reaper.seen))}")
        assert {"lower 100,0", "record RolledBack "} <= reaper.seen
        reaper.seen.clear()  # the writes of a deletion look like those of a rollback
        live.delete()
        live.wait_gone(120)
    print(f"killed at the deletion's: {'; '.join(sorted(reaper.seen))}")
    assert {"lower 100,0", "finalizer off"} <= reaper.seen
    assert (live.weights(5), live.weights(2)) == ([0, 20, 0], [0, 20, 0])
    assert live.weight(1) == 100
    client.stop()
    assert client.failed == []


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_kill_at_any_write_of_an_inconclusive_and_of_a_rejected_rollout_changes_no_end(rollouts: Rollouts):
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, rate=0, operate={"api": proxy.url, "arguments": (LEASE,)})
    live.adopt(analysis={"deadline": "50s", "readyDeadline": "30s"})
    reaper = Reaper(live, proxy)
    with kept_running(live):
        live.version(2)
        live.wait_phase("Inconclusive", deadline=150)
        asked = ask(live, "abort", 2)
        assert answer(live, asked, 90) == "applied"
        live.version(9)  # no server has it
        status = live.wait("the rejection", lambda s: s["history"][-1]["result"] == "Rejected", 150)
    print(f"killed at: {'; '.join(sorted(reaper.seen))}")
    assert {"record Inconclusive 10", "record RolledBack ", "lower 100,0", "record Rejected "} <= reaper.seen
    assert [entry["result"] for entry in status["history"]] == ["Adopted", "Aborted", "Rejected"], live.report()
    assert (live.weights(2), set(live.weights(9)) - {0}, live.weight(1)) == ([0, 10, 0], set(), 100)
