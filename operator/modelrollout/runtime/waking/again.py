"""When a pass made on copies begins again: what raises or moves a rollout on is decided on what is stored now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelrollout.core.observation import FULL_WEIGHT

if TYPE_CHECKING:
    from modelrollout.api.status import Status
    from modelrollout.core.observation import ObservedRoute
    from modelrollout.core.rollout.decide import Decision


class ReadAgain(Exception):  # noqa: N818 - an outcome: decide again
    """What was decided rests on copies, and must not."""


def moves_on(status: Status, decision: Decision, route: ObservedRoute | None) -> bool:
    """Whether a pass raises, or does more than record figures and sentences; lowering waits for no second look."""
    if decision.lower is not None:
        return False
    plan = decision.route
    raises = plan is not None and (route is None or plan.weight > FULL_WEIGHT - route.weight_of(plan.stable))
    spoken = decision.trigger is not None or decision.consume_command or bool(decision.events)
    return raises or spoken or decision.status.phase != status.phase
