"""Starts rollouts: model servers, an operator, a recorder and a client; what it starts ends with the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e.support.live_rollout import LiveRollout
from tests.e2e.support.operator import operator

if TYPE_CHECKING:
    from contextlib import ExitStack

    from tests.lab import Alertmanager, Door, Member, Prometheus

RATE = 20.0
"""Requests/s; they are most of what a test costs, and tests share two cores."""
BRISK = 30.0
"""Where verdicts or failed requests are the point."""


class Rollouts:
    """Starts rollouts on real components; everything they start ends with the test."""

    def __init__(self, member: Member, namespace: str, stack: ExitStack) -> None:
        self.member, self.namespace, self.stack = member, namespace, stack
        self.started: list[LiveRollout] = []

    def until_the_end(self, *made: Prometheus | Alertmanager) -> None:
        """Stop them with the test: what goes on scraping takes from every test that is still to come."""
        for one in made:
            self.stack.callback(one.stop)

    def start(
        self,
        *versions: int,
        rate: float = RATE,
        own_gateway: bool = False,
        door: Door | None = None,
        operate: dict[str, Any] | None = None,
        **serve: Any,
    ) -> LiveRollout:
        """Model servers for `versions`, an operator (`operate`: its settings), and a client at `rate` (0: none)."""
        scenario = self.stack.enter_context(self.member.scenario(self.namespace, own_gateway=own_gateway, door=door))
        scenario.serve(*versions, **serve)
        live = LiveRollout(self.member, scenario)
        live.rollouts = self
        live.record = self.stack.enter_context(scenario.record_route())
        live.operator = operator(self.member, self.namespace, **(operate or {})).start()
        self.stack.callback(lambda: live.operator.stop())  # noqa: PLW0108 - it may have another one by then
        live.rate = rate
        self.started.append(live)
        return live
