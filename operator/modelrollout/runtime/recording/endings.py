"""How rollouts ended, counted when their end has been recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelrollout.api.borders.cleaning import mapping
from modelrollout.api.timestamps import format_timestamp

if TYPE_CHECKING:
    from modelrollout.api.status import Status
    from modelrollout.runtime.metrics import Metrics


class Endings:
    """Counts ends; an adoption is none."""

    def __init__(self, metrics: Metrics) -> None:
        self._ended = metrics.counter(
            "modelrollout_operator_rollouts_ended_total",
            "Rollouts that ended, and how",
            "result",
            "reason",
        )
        self._took = metrics.counter(
            "modelrollout_operator_rollout_seconds_total", "Seconds that ended rollouts took, by result", "result"
        )

    def count(self, before: dict[str, Any], status: Status) -> None:
        """`before` is the object as it was, `status` what has been recorded."""
        if not status.history:
            return
        last = status.history[-1]
        known = mapping(before.get("status")).get("history") or [{}]
        if last.result == "Adopted" or mapping(known[-1]).get("endedAt") == format_timestamp(last.ended_at):
            return
        self._ended.add(last.result, last.reason)
        self._took.add(last.result, amount=max(last.ended_at - last.started_at, 0.0))
