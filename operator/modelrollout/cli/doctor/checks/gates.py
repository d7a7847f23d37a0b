"""Each gate: the series that it reads, of each version; whether they are fresh; and what keeps it from a verdict."""

from __future__ import annotations

from collections.abc import Iterator

from modelrollout.api.gates import Gate, QueryGate, WebhookGate
from modelrollout.cli.doctor.checks.buckets import BUCKETS, buckets
from modelrollout.cli.doctor.checks.found import Found
from modelrollout.cli.doctor.checks.left_out import left_out, left_out_findings
from modelrollout.cli.doctor.checks.query import query
from modelrollout.cli.doctor.checks.view import TRITON, View
from modelrollout.cli.doctor.checks.webhook import webhook
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.cli.words import span
from modelrollout.core.analysis.gates import formatting, registry
from modelrollout.core.analysis.metrics.model_series import GATEWAY_REQUESTS
from modelrollout.core.reasons import GateReason

_SHOWN = 3
FIXES: dict[GateReason, str] = {
    "AnswersLost": "docs/instrument-your-model.md says what each reason means",
    "BucketsDiffer": "configure the same buckets for both versions, and restart what exports them",
    "BucketsIncomplete": "keep le and every bucket, +Inf too, when scraping (metricRelabelings)",
    "CriteriaDiffer": "let both versions call a unit dead by the same rule (dead_if)",
    "LayersDiffer": "declare the same layers in both versions, or compare with a limit of the gate's own",
    "NoDialect": "do as the message says: until then a gate of the spec's own holds back the first weight",
    "NotExported": "do as the message says: a default gate is left out until then, and one of the spec's own refused",
    "NotJudged": "please report it with the samples: this is a defect",
    "ObservationsDropped": "docs/instrument-your-model.md says what each reason means",
    "SampleNotANumber": "see what the exporter writes there",
    "SeriesMissing": "see what the exporter of that version writes, and whether it is the same as stable's",
    "WindowSizesDiffer": "let both versions count windows of as many rows",
}
"""What to do where the operator's own judge has such a reason; other reasons go away by waiting, or are a query's."""
_INSTRUMENT = "instrument the model (docs/instrument-your-model.md), and let Prometheus scrape it"


def gates(view: View) -> Iterator[Finding]:
    """In the order of the spec; then the defaults that are left out or not in force."""
    answers, without = {one.gate: one for one in view.facts.queries}, left_out(view)
    for gate in view.gates:
        if gate.name in without:
            continue
        say = Reporter("gates", gate.name)
        if isinstance(gate, QueryGate):
            yield query(answers.get(gate.name), view, say)
        elif isinstance(gate, WebhookGate):
            yield _eased(webhook(gate, view, say), gate)
        else:
            yield from (_eased(one, gate) for one in _gate(gate, view, say))
    yield from left_out_findings(without)
    if not view.subject.spec.gates:
        left = [name for name in registry.every_default() if name not in {*view.defaults, *without}]
        if left:
            text = f"not in force: {', '.join(left)}: stable exports none of their series"
            yield Reporter("gates", "defaults").ok("defaults", f"{text}; {_INSTRUMENT}, and they will be")


def _eased(found: Finding, gate: Gate) -> Finding:
    """What a gate that decides nothing lacks holds nothing up."""
    if gate.decides or found.level != "Problem":
        return found
    return Finding(found.section, found.check, found.subject, "Warning", found.message, found.fix)


def _gate(gate: Gate, view: View, say: Reporter) -> Iterator[Finding]:
    metrics, name = view.metrics_of(gate), _origin(gate, view)
    stable, candidate = view.of(metrics, "stable"), view.of(metrics, "candidate")
    missing = _missing(gate, view, say, stable, candidate)
    if missing is not None:
        yield missing
        return
    late = [(arm, one) for arm, one in (("stable", stable), ("candidate", candidate)) if one.series and view.late(one)]
    if late and (late[0][0] == "stable" or view.subject.state == "serving"):
        arm, one = late[0]
        whose = "stable's" if arm == "stable" else "the candidate's"
        text = f"the newest sample of {whose} series ({name}) is {span(view.facts.now - one.newest)} old"
        yield say.problem("fresh", text, "see why it is not scraped now: Status, Targets in Prometheus")
        return
    yield say.ok("series", _there(gate, view, stable, candidate))
    yield from buckets(gate, view, say, metrics)
    yield from _judgeable(gate, view, say)


def _origin(gate: Gate, view: View) -> str:
    """Whose series, in words."""
    if view.source_of(gate) == "Gateway":
        spoken = view.request.dialect
        return f"the gateway, {spoken.name}" if spoken else "the gateway"
    found = {metric for metric in view.metrics_of(gate) if view.of([metric], "stable").series}
    return "Triton" if found and all(metric.startswith(TRITON) for metric in found) else "the model"


def _there(gate: Gate, view: View, stable: Found, candidate: Found) -> str:
    subject = view.subject
    both = stable.with_(candidate)
    targets = formatting.counted(len(both.targets), "target")
    if candidate.series and subject.candidate:
        arms = f"{stable.series} series of version {subject.stable}, {candidate.series} of {subject.candidate}"
    elif subject.candidate:
        arms = f"{stable.series} series of version {subject.stable}; {_not_yet(view)}"
    else:
        arms = f"{stable.series} series of version {subject.stable}"
    newest = span(max(view.facts.now - both.newest, 0.0))
    return f"{_origin(gate, view)}: {arms}; {targets}, newest {newest} ago"


def _not_yet(view: View) -> str:
    version = view.subject.candidate
    why = {"idle": "which has no traffic", "fresh": "whose traffic has just begun"}
    return f"none yet of {version}, {why.get(view.subject.state, 'which is not tried')}"


def _missing(gate: Gate, view: View, say: Reporter, stable: Found, candidate: Found) -> Finding | None:
    names = _names(view.metrics_of(gate), view)
    of_gateway = view.source_of(gate) == "Gateway"
    if not stable.series:
        if of_gateway and not view.of([GATEWAY_REQUESTS], "stable").series and not view.answered("stable"):
            text = f"{_origin(gate, view)} has counted no request of version {view.subject.stable} in {view.minutes}"
            return say.warning("series", text, "without traffic nothing can be judged: send some, or wait for it")
        return say.problem("series", f"no {names} of version {view.subject.stable}", _where(gate, view))
    if not candidate.series and view.subject.state == "serving":
        text = f"no {names} of version {view.subject.candidate}, which has traffic; {stable.series} series of stable"
        return say.problem("series", text, _where(gate, view))
    return None


def _where(gate: Gate, view: View) -> str:
    """Where such series come from."""
    if view.source_of(gate) == "Gateway":
        return "see the gateway's series above; or set source: Model on this gate"
    if any(metric.startswith(TRITON) for metric in view.metrics_of(gate)):
        return f"let Prometheus scrape tritonserver's /metrics, or {_INSTRUMENT}"
    return _INSTRUMENT


def _names(metrics: frozenset[str], view: View) -> str:
    known = sorted(view.gate_input.exported(metric) for metric in metrics)
    more = f" or {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more


def _judgeable(gate: Gate, view: View, say: Reporter) -> Iterator[Finding]:
    """What the operator's own judge says of these samples: its reason for no verdict, and its warnings."""
    judged, lacking = view.judged[gate.name], view.lacking.get(gate.name)
    verdict, text = judged.result.verdict, judged.result.message
    reason = next((one for one in FIXES if text.startswith(f"{one}: ")), None)
    if lacking is not None and view.requests[0]:
        fix = next((fix for one, fix in FIXES.items() if one == lacking.reason), _where(gate, view))
        yield say.problem("judgeable", f"{lacking.reason}: {lacking.message}", fix)
    elif reason is not None and (verdict == "NOT_COMPARABLE" or view.subject.state == "serving"):
        yield say.problem("judgeable", text, FIXES[reason])
    for said in judged.warnings:
        told = said.removeprefix(f"{gate.name}: ")
        yield say.warning("judgeable", told, BUCKETS if "bucket" in told else "")
