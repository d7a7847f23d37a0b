"""Somebody else's controller rewrites the status as fast as it can: lowering waits for no record, raising for one."""

from __future__ import annotations

import contextlib
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.e2e.people.test_hands_on_the_route import told
from tests.e2e.support.hands import ask, took
from tests.e2e.support.live_rollout import API, KIND, LiveRollout
from tests.e2e.support.rollouts import BRISK, Rollouts

if TYPE_CHECKING:
    from collections.abc import Iterator

WHO = "someone-elses-controller"
AT_ONCE = 3
"""Writers side by side, without a pause."""


@contextmanager
def rewriting(live: LiveRollout) -> Iterator[list[int]]:
    """Facts that decisions follow from change with every write; how many were taken."""
    over, taken = threading.Event(), [0] * AT_ONCE

    def go(one: int) -> None:
        resource = live.kube.resource(API, KIND)
        where: dict[str, Any] = {"name": live.name, "namespace": live.scenario.namespace, "field_manager": WHO}
        while not over.is_set():
            body = {"status": {"rollout": {"losses": taken[one] % 2}, "message": f"{WHO} {taken[one]}"}}
            with contextlib.suppress(Exception):  # what the API server refuses is no write
                resource.status.patch(body=body, content_type="application/merge-patch+json", **where)
                taken[one] += 1

    threads = [threading.Thread(target=go, args=(one,), daemon=True) for one in range(AT_ONCE)]
    for one in threads:
        one.start()
    try:
        yield taken
    finally:
        over.set()
        for one in threads:
            one.join(10)


def test_an_abort_lowers_while_no_status_can_be_recorded_and_people_are_told_who_writes(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=BRISK)
    live.adopt(steps=[{"weight": 40, "hold": "2s"}, {"weight": 60, "hold": "10m"}])
    live.version(2)
    live.wait_weight(2, 40)
    with rewriting(live) as taken:
        told(live, "StatusContested", WHO, deadline=90)
        raised = live.weight(2)
        assert raised in {40, 60}, live.report()
        took(live, f"abort beside {sum(taken)} other writes", 2, 0, ask(live, "abort", 2).at)
        assert sum(taken) > 0
    live.wait("the end", lambda status: status.get("candidate") is None, 60)
    assert live.status()["history"][-1]["result"] == "Aborted", live.report()
