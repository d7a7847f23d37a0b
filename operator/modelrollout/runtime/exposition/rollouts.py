"""What is exported of one rollout: made once a pass, from what it recorded; gone with the resource.

Labels are bounded: beside the names of a rollout and of its gates (at most MOST_GATES of them) their values come from
closed sets, and of each state only the one it is in has a series. Times are epoch seconds, never ages, so that
nothing has to be made anew for a scrape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, get_args

from modelrollout.core.reasons import GateReason, MetricsReason, Reason
from modelrollout.core.rollout.phases import refused, waits_for_person
from modelrollout.runtime.exposition.gates import GATE_FAMILIES, gate_rows
from modelrollout.runtime.metrics import OTHER, Family, Samples

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.api.status import Status
    from modelrollout.core.evaluation import Evaluation, MetricsOutage


class Rows(dict[str, Samples]):
    """By the name of a family: label values, IDENTITY's first, and the number; never changed once they are made."""

    lines: dict[str, bytes] | None = None
    """The same as text, once somebody has asked for it."""


IDENTITY: Final = ("namespace", "rollout", "model")
REASONS: Final = frozenset((*get_args(Reason), *get_args(GateReason), *get_args(MetricsReason)))


def _gauge(name: str, meaning: str, *labels: str) -> Family:
    return Family(f"modelrollout_{name}", "gauge", meaning, (*IDENTITY, *labels))


VERSION = _gauge("rollout_version_info", "1 for the version that is stable, and for the candidate", "role", "version")
PHASE = _gauge("rollout_phase", "1 for the phase that it is in", "phase")
PHASE_STARTED = _gauge("rollout_phase_started_timestamp_seconds", "When that phase began; absent while nobody knows")
REASON = _gauge("rollout_reason", "1 for the reason why it is where it is, as in status.reason", "reason")
DESIRED = _gauge("rollout_weight_desired_percent", "Percent of requests that the operator wants for the candidate")
OBSERVED = _gauge("rollout_weight_observed_percent", "Percent that the route says; absent while it is unknown")
STEP = _gauge("rollout_step", "The step it is at, as people count; 0 before the first")
STEPS = _gauge("rollout_steps", "How many steps its spec has")
PAUSED = _gauge("rollout_paused", "Whether it is paused, by command or spec (1) or not (0)")
OUTAGE = _gauge("rollout_metrics_outage", "1 while no evaluation can be made, with the reason", "reason")
EVALUATED = _gauge("rollout_evaluated_timestamp_seconds", "Up to when samples counted in its newest evaluation")
ENDED = _gauge("rollout_last_end_timestamp_seconds", "When its last rollout ended, and how", "result", "reason")
TOOK = _gauge("rollout_last_duration_seconds", "How long its last rollout took", "result")
FAMILIES: Final = (
    *(VERSION, PHASE, PHASE_STARTED, REASON, DESIRED, OBSERVED, STEP, STEPS, PAUSED, OUTAGE, EVALUATED, ENDED, TOOK),
    *(Family(one.name, one.kind, one.meaning, (*IDENTITY, *one.labels)) for one in GATE_FAMILIES),
)


def rows_of(
    key: tuple[str, str],
    spec: Spec | None,
    model: str,
    status: Status,
    seen: tuple[Evaluation | None, MetricsOutage | None],
) -> Rows:
    """The samples of the rollout `key` (namespace, name); `model` as its route names it, where the spec is invalid."""
    identity = (*key, spec.model.name if spec is not None else model)
    evaluation, outage = seen
    found = Rows()
    running = status.rollout is not None

    def add(family: Family, *labels: str, value: float | None = 1.0) -> None:
        if value is not None and math.isfinite(value):
            sample = tuple(map(_text, (*identity, *labels))), float(value)
            found[family.name] = (*found.get(family.name, ()), sample)

    _add_state(add, status)
    if spec is not None:
        add(STEPS, value=len(spec.steps))
    add(PAUSED, value=float(status.paused or bool(spec is not None and spec.paused)))
    if running and outage is not None:
        add(OUTAGE, _known(outage.reason))
    if running and evaluation is not None:
        add(EVALUATED, value=evaluation.tick_end)
    for family, labels, value in gate_rows(spec, status, evaluation if running else None):
        add(family, *labels, value=value)
    return found


def _add_state(add: Callable[..., None], status: Status) -> None:
    """Versions, phase, weights, step and the last end, as status has them."""
    for role, version in (("stable", status.stable), ("candidate", status.candidate)):
        if version:
            add(VERSION, role, version)
    add(PHASE, status.phase)
    add(PHASE_STARTED, value=phase_started(status))
    if status.reason:
        add(REASON, _known(status.reason))
    add(DESIRED, value=status.weight.desired)
    add(OBSERVED, value=status.weight.observed)
    add(STEP, value=status.step.number if status.step is not None else 0)
    ended = [entry for entry in status.history if entry.result != "Adopted"][-1:]
    for last in ended:
        add(ENDED, last.result, _known(last.reason), value=last.ended_at)
        add(TOOK, last.result, value=max(last.ended_at - last.started_at, 0.0))


def phase_started(status: Status) -> float | None:
    """When the phase began, epoch seconds; None where status does not say."""
    rollout, step, last = status.rollout, status.step, status.history[-1:]
    if status.phase == "Serving":
        return last[0].ended_at if last else None
    if status.rejected is not None and refused(status.phase):
        return status.rejected.at
    if status.phase == "Preflight":
        return None if status.preflight is None else status.preflight.started_at
    if rollout is None or status.phase == "Waiting":
        return None if rollout is None else rollout.waiting_since
    stopped = rollout.clock_stopped_at if waits_for_person(status.phase) else None  # as is the deadline's clock then
    if stopped is not None or status.phase == "Baking":
        return stopped if stopped is not None else rollout.bake_started_at
    return step.started_at if step is not None else None


def _known(reason: str) -> str:
    """A reason of another version of the operator, read from a status, may be any text."""
    return reason if reason in REASONS else OTHER


def _text(label: str) -> str:
    """Half a character of UTF-16, which JSON can carry, would make the whole text unwritable."""
    return label if label.isascii() else label.encode(errors="replace").decode()
