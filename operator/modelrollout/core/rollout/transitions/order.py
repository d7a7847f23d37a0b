"""A rollout that comes after another one: it starts once that one serves the version that spec names.

Nothing of it has begun until then: no probes, no deadline, and no traffic. What has begun goes on by its own evidence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from modelrollout.api.changes import update
from modelrollout.api.spec import After, Spec
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.predecessor import Predecessor
from modelrollout.core.rollout import phases
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.transitions.effects import end, go, with_entry
from modelrollout.core.rollout.transitions.forward import hold

AT_ANY_TIME: Final = "to start at any time, remove spec.after"


def waits(ctx: Context, spec: Spec) -> Transition | None:
    """Stable serves, and the version in spec must wait; None where it may start."""
    if spec.after is None:
        return None
    finding = _in_the_way(spec, spec.after, ctx.observed.predecessor)
    if finding is None:
        return None
    held = hold(ctx, finding)
    if (ctx.status.reason, ctx.status.message) == (finding.reason, finding.message):
        return held
    warning = finding.reason == reasons.PREDECESSOR_UNFIT
    return replace(held, events=(Event(finding.reason, finding.message, warning=warning),))


def give_way(ctx: Context, spec: Spec) -> Transition | None:
    """Whatever was tried or refused before is over, at weight 0, before anything is asked about another resource."""
    if spec.after is None:
        return None
    status, version = ctx.status, spec.model.version
    message = f"version {version} comes after {_name(spec.after)}: stable version {status.stable} has all traffic"
    history = status.history
    if phases.running(status.phase):
        history = with_entry(ctx, "Replaced", reasons.VERSION_REPLACED, f"replaced by version {version}")
    status = go(status, Trigger.REPLACED_IN_ORDER, reasons.WAITING_FOR_PREDECESSOR, message)
    status = update(status, history=history, rejected=None)
    return Transition(end(status), Trigger.REPLACED_IN_ORDER, (Event(reasons.VERSION_REPLACED, message),))


def _in_the_way(spec: Spec, after: After, found: Predecessor | None) -> Finding | None:
    if found is None or found.unread:
        name, why = (_name(after), "") if found is None else (found.name, f": {found.unread}")
        text = f"version {spec.model.version} comes after {name}, which could not be read yet{why}"
        return Finding(reasons.WAITING_FOR_PREDECESSOR, text)
    text = _unfit(spec, found)
    if text:
        return Finding(reasons.PREDECESSOR_UNFIT, text)
    if found.stable == spec.model.version:
        return None
    why = f"has not promoted it yet; {AT_ANY_TIME}" if found.model else "is not there: make it, or correct spec.after"
    return Finding(
        reasons.WAITING_FOR_PREDECESSOR, f"version {spec.model.version} comes after {found.name}, which {why}"
    )


def _unfit(spec: Spec, found: Predecessor) -> str:
    """Why waiting alone never ends; "" where it may."""
    version = spec.model.version
    if found.circle:
        around = " after ".join(found.circle)
        return f"spec.after goes in a circle ({around}): remove it from one of them; nothing starts before"
    if found.model and found.model != spec.model.name:
        return f"spec.after names {found.name}, which rolls out another model than {spec.model.name}: correct it"
    if found.refused == version and found.stable != version and not found.running:
        return f"{found.name} has refused version {version}, which comes after it: name another version; {AT_ANY_TIME}"
    return ""


def _name(after: After) -> str:
    return f"{after.namespace}/{after.name}" if after.namespace else after.name
