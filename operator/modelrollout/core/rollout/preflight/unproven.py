"""What a pre-flight still lacks: the prober's word, every row in Prometheus, every gate that decides."""

from __future__ import annotations

from modelrollout.api.spec import Spec
from modelrollout.api.status import PreflightStatus
from modelrollout.core import reasons
from modelrollout.core.evaluation import Evaluation
from modelrollout.core.finding import Finding
from modelrollout.core.preflight import PreflightReport
from modelrollout.core.rollout.context import Context
from modelrollout.core.rollout.missing import unready

SILENCE = 60.0
"""Seconds without a word after which there is no prober: one that works speaks every few seconds."""
INSTALL = "install the prober with the chart's value prober.enabled: true; nothing moves until then"


def not_passed(ctx: Context, spec: Spec, known: PreflightStatus) -> Finding | None:
    """Why it has not passed yet; PREFLIGHT_FAILED where it never will."""
    prober, report = ctx.observed.prober, ctx.observed.prober.report
    invalid = refused(report, known.asked)
    if invalid is not None and prober.installed:
        return invalid
    silent = _silence(ctx, known)
    if silent is not None or report is None:
        return silent
    if report.state == "Unanswered":
        return Finding(reasons.PREFLIGHT_FAILED, report.message)
    if report.state != "Done":
        doing = f" ({report.message})" if report.message else ""
        text = f"pre-flight: {report.rows} of {report.of or '?'} rows sent to both versions{doing}"
        return Finding(reasons.PREFLIGHT_RUNNING, text)
    if not ctx.ready_for(ctx.status.candidate, 0):
        return unready(ctx, "every row was sent, and the candidate is not ready")
    return _unproven(ctx, spec, report)


def refused(report: PreflightReport | None, asked: str) -> Finding | None:
    if report is None or report.state != "Refused" or not asked or report.asked != asked:
        return None
    return Finding(reasons.GOLDEN_SET_INVALID, f"{report.message}; no rollout goes on until it is fixed")


def _silence(ctx: Context, known: PreflightStatus) -> Finding | None:
    """What there is to say while the prober has no word on this run, or none any more."""
    prober, report = ctx.observed.prober, ctx.observed.prober.report
    if not prober.installed:
        return Finding(reasons.PROBER_MISSING, f"spec.preflight needs the prober, and there is none: {INSTALL}")
    if prober.problem:
        return Finding(reasons.PROBER_MISSING, f"the prober's reports cannot be read: {prober.problem}")
    mine = report is not None and report.run == known.run
    since = prober.changed_at if mine and prober.changed_at is not None else known.started_at
    over = report is not None and report.state in ("Done", "Unanswered")
    if mine and (over or ctx.now - since <= SILENCE):
        return None
    if ctx.now - since <= SILENCE:
        return Finding(reasons.PREFLIGHT_RUNNING, "pre-flight: asked for; the prober has not taken it yet")
    text = f"the prober has said nothing of this pre-flight for more than {SILENCE:.0f} s: see its Pod and its log, or"
    return Finding(reasons.PROBER_MISSING, f"{text} {INSTALL}")


def _unproven(ctx: Context, spec: Spec, report: PreflightReport) -> Finding | None:
    """Every row was sent: every one must count, and every gate that decides must have judged them."""
    found = ctx.current
    if found is None:
        text = f"pre-flight: all {report.of} rows were sent; waiting for their evaluation"
        return Finding(reasons.PREFLIGHT_RUNNING, text)
    if found.requests < report.of:
        text = f"pre-flight: all {report.of} rows were sent, {found.requests} of them are in Prometheus so far"
        return Finding(reasons.PREFLIGHT_RUNNING, text)
    if found.halt:
        return Finding(found.halt, found.message)
    return _lacking(spec, found)


def _lacking(spec: Spec, found: Evaluation) -> Finding | None:
    """The set is over and brings no more evidence: what has no data or leans bad by now has not passed."""
    deciding = {gate.name: gate for gate in found.gates if gate.required}
    absent = [name for name in (spec.preflight.gates if spec.preflight else ()) if name not in deciding]
    if absent or not deciding:
        named = ", ".join(absent) or "none of the gates"
        return Finding(reasons.NOT_PROVEN, f"pre-flight: not judged over the golden set: {named}")
    for gate in deciding.values():
        if gate.verdict in ("NO_DATA", "NOT_COMPARABLE"):
            return Finding(reasons.NOT_PROVEN, f"pre-flight: {gate.name}: {gate.message}")
        if gate.leaning_bad:
            return Finding(reasons.LEANING_BAD, f"pre-flight: {gate.name}: {gate.message}")
    return None
