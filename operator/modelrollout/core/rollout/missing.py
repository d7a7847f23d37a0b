"""Going on needs proof: each check names what is still missing, and only when none does may the weight be raised."""

from __future__ import annotations

from collections.abc import Callable

from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core import reasons
from modelrollout.core.evaluation import SETTLED, Evaluation, GateResult
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.rollout.context import Context, target_weight
from modelrollout.core.rollout.route.adopted import route_in_the_way
from modelrollout.core.rollout.route.mirroring import lacks_copies
from modelrollout.core.rollout.transitions import effects

Check = Callable[[Context, Spec, Evaluation], Finding | None]


def held(ctx: Context) -> Finding | None:
    """What holds back every raise, in any phase."""
    if ctx.paused:
        where = "spec.paused" if ctx.spec and ctx.spec.paused else "by command"
        gates = (
            "a failing gate still rolls back"
            if ctx.spec and ctx.spec.analysis.on_breach == "Rollback"
            else "nothing moves"
        )
        return Finding(reasons.PAUSED, f"paused ({where}): the weight stays; {gates}")
    if ctx.blindness:
        return Finding(ctx.blindness.reason, f"{ctx.blindness.message}; the weight is held until the metrics are back")
    return route_rejected(ctx)


def route_rejected(ctx: Context) -> Finding | None:
    """A route that its gateway rejects carries no traffic, whatever its weights say; nor does one unfit for a split."""
    route, in_the_way = ctx.observed.route, route_in_the_way(ctx)
    if in_the_way is not None:
        return in_the_way
    if route is None or route.acceptance != "REJECTED":
        return None
    return Finding(reasons.ROUTE_REJECTED, route.acceptance_reason or "the gateway rejects the route")


def route_foreign(ctx: Context) -> Finding | None:
    """A route of this name that somebody else made is not ours to move traffic on."""
    route = ctx.observed.route
    if route is None or not route.foreign:
        return None
    if route.adopted:
        text = (
            f"{route.foreign}: it is left as it is. Name another route in spec.traffic.adopt, delete that "
            "ModelRollout, or remove the route's annotation modelrollout.dev/adopted if it is gone"
        )
        return Finding(reasons.ROUTE_NOT_OURS, text)
    text = (
        f"a route of this name exists and is somebody else's, so it is left as it is: {route.foreign}. Give it or this "
        "ModelRollout another name, or hand it over: annotate it with modelrollout.dev/stable=VERSION and "
        """modelrollout.dev/services={"VERSION":"SERVICE:PORT"}"""
    )
    return Finding(reasons.ROUTE_NOT_OURS, text)


def before_traffic(current: Evaluation) -> Finding | None:
    """Why the first step does not begin: the candidate gets no traffic that nobody here could judge."""
    refused = [gate for gate in current.gates if gate.required and gate.unjudgeable]
    if refused:
        text = "; ".join(f"{gate.name}: {gate.message}" for gate in refused[:3])
        fix = "or remove the gate, or write required: false: until then no traffic moves"
        return Finding(reasons.GATE_NOT_JUDGEABLE, f"{text}; {fix}")
    if current.halt == reasons.NOTHING_TO_JUDGE:
        return Finding(current.halt, current.message)
    if current.scrapes is not None and current.scrapes < SETTLED:
        text = f"{current.scrapes} of {SETTLED} scrapes since the rollout started: then it is known what can be judged"
        return Finding(reasons.WAITING_FOR_EVALUATION, text)
    return None


def first_missing(ctx: Context, spec: Spec, current: Evaluation | None, checks: tuple[Check, ...]) -> Finding | None:
    waiting = _weight_missing(ctx)
    if waiting:
        return waiting
    if current is None:
        return _hold_text(ctx) or Finding(reasons.WAITING_FOR_EVALUATION, "waiting for the next evaluation")
    if not ctx.ready_for(ctx.status.candidate, spec.analysis.ready_for):
        return unready(ctx, "not ready for long enough to raise the weight")
    found = (check(ctx, spec, current) for check in checks)
    return next((finding for finding in found if finding), None)


def _weight_missing(ctx: Context) -> Finding | None:
    """A step whose weight is not on the route (lowered by hand, a raise that got lost) is not being served."""
    route, wanted = ctx.observed.route, target_weight(ctx.status)
    has = route.weight_of(ctx.status.candidate) if route else 0
    if has >= wanted:
        return lacks_copies(ctx)
    text = f"version {ctx.status.candidate} has {has} % instead of {wanted} %; the step starts when it has {wanted} %"
    return Finding(reasons.RAISE_PENDING, text)


def _halted(_ctx: Context, _spec: Spec, current: Evaluation) -> Finding | None:
    return Finding(current.halt, current.message) if current.halt else None


def _hold_over(ctx: Context, _spec: Spec, _current: Evaluation) -> Finding | None:
    return _hold_text(ctx)


def _hold_text(ctx: Context) -> Finding | None:
    text = effects.hold_text(ctx.status, ctx.now)
    return Finding(reasons.STEP_HOLDING, text) if text else None


def _requests(_ctx: Context, spec: Spec, current: Evaluation) -> Finding | None:
    missing = spec.analysis.minimum_requests - current.requests
    if missing <= 0:
        return None
    text = f"{current.requests} candidate requests in this step, {missing} more needed"
    return Finding(reasons.TOO_FEW_REQUESTS, text)


def _not_leaning(_ctx: Context, _spec: Spec, current: Evaluation) -> Finding | None:
    """Every required gate has data, and none of them leans bad."""
    for gate in current.gates:
        if gate.required and (_unanswered(gate) or gate.leaning_bad):
            return Finding(
                reasons.LEANING_BAD if gate.leaning_bad else _without_data(gate),
                f"{gate.name}: {gate.message}",
            )
    return None


def _unanswered(gate: GateResult) -> bool:
    """No data; or whoever was asked says that it has not decided."""
    return gate.verdict in ("NO_DATA", "NOT_COMPARABLE") or gate.awaited


def _without_data(gate: GateResult) -> reasons.Reason:
    return reasons.GATE_NOT_JUDGEABLE if gate.unjudgeable else reasons.NOT_PROVEN


def _nothing_against(_ctx: Context, _spec: Spec, current: Evaluation) -> Finding | None:
    """Every required gate has data and has not failed, and of none more speaks against the candidate than for it."""
    for gate in current.gates:
        if gate.required and _unanswered(gate):
            return Finding(_without_data(gate), f"{gate.name}: {gate.message}")
        against = gate.leaning_bad if gate.outweighed is None else gate.outweighed
        if gate.required and (gate.verdict == "FAIL" or against):
            return Finding(reasons.LEANING_BAD, f"{gate.name}: {gate.message}")
    return None


def _still_nothing_against(ctx: Context, spec: Spec, current: Evaluation) -> Finding | None:
    """A bake that began unproven ends by no less than what it began by."""
    unproven = ctx.status.rollout is not None and ctx.status.rollout.unproven
    return _nothing_against(ctx, spec, current) if unproven else None


def _never_in_doubt(ctx: Context, _spec: Spec, _current: Evaluation) -> Finding | None:
    """A candidate that was worse than stable in a bake goes on by proof or by a person's word alone."""
    if ctx.status.rollout is None or not ctx.status.rollout.doubts:
        return None
    return Finding(reasons.BAKE_IN_DOUBT, "in a bake it was worse than stable was before it")


def _proven(_ctx: Context, _spec: Spec, current: Evaluation) -> Finding | None:
    unproven = [gate for gate in current.gates if gate.required and gate.verdict != "PASS"]
    if unproven:
        return Finding(reasons.NOT_PROVEN, "; ".join(f"{g.name}: {g.message}" for g in unproven[:3]))
    return None


def _all_judged(ctx: Context, spec: Spec, current: Evaluation) -> Finding | None:
    """An evaluation that leaves out a gate which decides says nothing of it; one without any proves nothing."""
    judged = {gate.name for gate in current.gates}
    default = ctx.status.rollout.gates if ctx.status.rollout else []
    wanted = [gate.name for gate in spec.gates if gate.decides] if spec.gates else default
    absent = [name for name in wanted if name not in judged]
    if absent:
        return Finding(reasons.NOT_PROVEN, f"not judged in the last evaluation: {', '.join(absent[:3])}")
    if not any(gate.required for gate in current.gates):
        return Finding(reasons.NOT_PROVEN, "no required gate has been judged: nothing is proven")
    return None


def _read_again(_ctx: Context, _spec: Spec, current: Evaluation) -> Finding | None:
    """Samples may have come late: what raises the weight is what a new process would find."""
    if current.confirmed:
        return None
    return Finding(reasons.WAITING_FOR_EVALUATION, "all evidence is being read again before the weight is raised")


def unready(ctx: Context, text: str) -> Finding:
    """`text` and why; that a question is not allowed is no word on the candidate, and somebody else's to fix."""
    found = ctx.candidate_readiness
    why = f"{text}: {why_not_ready(ctx)}"
    if found is not None and found.refused:
        return Finding(reasons.PROBE_NOT_ALLOWED, why)
    return Finding(reasons.CANDIDATE_NOT_READY, why)


def refused_events(ctx: Context, status: Status) -> tuple[Event, ...]:
    """One Event where a candidate may no longer be asked: it keeps what it has and gets no more."""
    if status.reason != reasons.PROBE_NOT_ALLOWED or ctx.status.reason == reasons.PROBE_NOT_ALLOWED:
        return ()
    return (Event(reasons.PROBE_NOT_ALLOWED, status.message, warning=True),)


def why_not_ready(ctx: Context) -> str:
    readiness = ctx.candidate_readiness
    if readiness is None:
        return "not probed yet"
    if readiness.ready and readiness.since is not None:
        return f"ready since {format_timestamp(readiness.since)[11:19]} UTC"
    return readiness.message or "not ready"


STEP: tuple[Check, ...] = (_halted, _requests, _not_leaning, _hold_over, _read_again)
LAST: tuple[Check, ...] = (_halted, _requests, _not_leaning, _hold_over, _proven, _all_judged, _read_again)
UNPROVEN: tuple[Check, ...] = (
    _halted,
    _never_in_doubt,
    _requests,
    _nothing_against,
    _all_judged,
    _hold_over,
    _read_again,
)
"""At the deadline, where the spec says onInconclusive: Promote. What only takes time comes last."""
BAKE: tuple[Check, ...] = (
    _halted,
    _not_leaning,
    _still_nothing_against,
    _all_judged,
    _hold_over,
    _requests,
    _read_again,
)
"""A gate that said PASS before the bake need not say so again: at 100 % there is nothing to compare with, so CONTINUE
may be all it can say. But it must say something, and not lean bad."""
