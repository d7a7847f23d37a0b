"""From a breach that can be read in Prometheus to the route's write."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from modelrollout.api.timestamps import parse_timestamp

if TYPE_CHECKING:
    from tests.bench.cost.visibility import Visibility
    from tests.e2e.support.live_rollout import LiveRollout


def rolled_back(live: LiveRollout, version: int, seen: Visibility, since: float) -> float:
    """Seconds from when all samples of the breaching tick could be read until the route led away from `version`.

    The tick is the one after the last of which the operator recorded no breach.
    """
    service = live.scenario.service_name(version)
    live.wait("the rollback", lambda status: status.get("phase") == "RolledBack", 150)
    running = [s for at, s in live.seen if at >= since and s.get("candidate") and s.get("nextEvaluation")]
    exposed = next(each.at for each in live.record.seen if each.at >= since and each.weights.get(service, 0) > 0)
    end = time.time() + 10
    while (written := live.record.first(service, 0, exposed)) is None:
        assert time.time() < end, live.report()
        time.sleep(0.02)
    return written - seen.readable(parse_timestamp(running[-1]["nextEvaluation"]))
