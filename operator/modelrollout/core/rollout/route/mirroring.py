"""Copies of requests before any weight: where a gateway can make them, and how many the candidate gets now."""

from __future__ import annotations

from dataclasses import replace

from modelrollout.api.spec import Spec
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.rollout.context import Context, Transition, target_mirror
from modelrollout.core.rollout.transitions.forward import hold

WHOLE = 100
"""Percent: a copy of every request."""
FEATURE, PERCENT = "HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"
"""Names of the Gateway API (GatewayClass.status.supportedFeatures)."""


def refused(ctx: Context, spec: Spec) -> Transition | None:
    """A gateway that cannot copy requests, or does not say that it can, is given no copies to make: nothing moves."""
    finding = cannot(ctx, spec)
    if finding is None:
        return None
    held = hold(ctx, finding)
    if finding.reason != reasons.MIRROR_NOT_SUPPORTED or ctx.status.reason == finding.reason:
        return held
    return replace(held, events=(Event(finding.reason, finding.message, warning=True),))


def cannot(ctx: Context, spec: Spec) -> Finding | None:
    """Why the step with copies cannot begin; None where it can, there is none, or it is behind."""
    step, index = spec.mirrored, ctx.status.step.index if ctx.status.step else 0
    if step is None or index:
        return None
    known = ctx.observed.features
    if known is None:
        text = "steps[0].mirror: it is not known yet whether this gateway can copy requests"
        return Finding(reasons.WAITING_FOR_EVALUATION, text)
    percent = step.mirror or 0
    lacking = missing_features(percent, known)
    return Finding(reasons.MIRROR_NOT_SUPPORTED, _sentence(percent, lacking)) if lacking else None


def missing_features(percent: int, known: frozenset[str]) -> list[str]:
    """What a gateway must list to copy so many percent of the requests, and does not."""
    needed = [FEATURE] if percent == WHOLE else [FEATURE, PERCENT]
    return [name for name in needed if name not in known]


def _sentence(percent: int, lacking: list[str]) -> str:
    text = (
        f"spec.steps[0].mirror is {percent}: the GatewayClass does not list {' and '.join(lacking)} in "
        "status.supportedFeatures, and a gateway that cannot copy requests may answer all of them with errors"
    )
    fix = "write mirror: 100, or remove the step" if lacking == [PERCENT] else "remove the step"
    known = "a gateway that can and lists nothing stands in mirrors of the operator's configuration"
    return f"{text}: {fix} ({known}); nothing moves until then"


def lacks_copies(ctx: Context) -> Finding | None:
    """A step whose copies are not made is not being tried."""
    wanted, route = target_mirror(ctx.status), ctx.observed.route
    has = route.mirror if route else 0
    if has >= wanted:
        return None
    text = (
        f"version {ctx.status.candidate} gets copies of {has} % of the requests instead of {wanted} %; the step waits"
    )
    return Finding(reasons.RAISE_PENDING, text)
