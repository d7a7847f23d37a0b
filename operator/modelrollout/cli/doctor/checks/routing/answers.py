"""What the gateway says of a route, and the weights on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelrollout.api.borders.cleaning import clean, mapping, whole_number
from modelrollout.cli.doctor.checks.routing.shadows import condition, statuses
from modelrollout.cli.doctor.facts import Subject
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.core.observation import ObservedRoute

_LATEST = 2**63
_FIXES = {
    "NoMatchingListenerHostname": "put spec.traffic.gateway.hostnames right, or the listener's hostname",
    "HostnameConflict": "one listener takes HTTPRoutes or GRPCRoutes for a host name: choose another in traffic.grpc",
    "NotAllowedByListeners": "let the listener allow routes of this namespace (allowedRoutes)",
    "NoMatchingParent": "put spec.traffic.gateway right: its name, namespace and sectionName",
    "BackendNotFound": "create the Service that is missing (see services), or put spec.serving right",
    "RefNotPermitted": "keep Services and ModelRollout in one namespace",
    "UnsupportedValue": "the gateway does not know what the route asks for: upgrade it",
}
"""By the reason constants of the Gateway API."""


def accepted(raw: dict[str, Any], where: tuple[str, str], say: Reporter) -> Iterator[Finding]:
    """Of the controllers of the Gateway `where` (namespace, name)."""
    answers = statuses(raw, where)
    if not answers:
        fix = f"see whether Gateway {'/'.join(where)} exists, and whether its GatewayClass's controller runs"
        yield say.problem("accepted", "no gateway has looked at it: its status names none", fix)
        return
    generation = whole_number(mapping(raw.get("metadata")).get("generation"), 0, _LATEST, 0)
    for one in answers:
        yield _answer(one, generation, say)


def _answer(one: dict[str, Any], generation: int, say: Reporter) -> Finding:
    controller = clean(one.get("controllerName"), 128)
    for kind in ("Accepted", "ResolvedRefs"):
        found = condition(one, kind)
        if not found:
            return say.warning("accepted", f"{controller} does not say yet whether it is {kind}", "look again shortly")
        reason = clean(found.get("reason"), 64)
        if found.get("status") != "True":
            text = f"{controller} has it not {kind}: {reason}, {clean(found.get('message'), 300)}"
            return say.problem("accepted", text, _FIXES.get(reason, "fix what the gateway names"))
        if whole_number(found.get("observedGeneration"), 0, _LATEST, generation) < generation:
            return say.warning("accepted", f"{controller} has not looked at the newest write", "look again shortly")
    return say.ok("accepted", f"Accepted, and its Services found, by {controller}")


def weights(observed: ObservedRoute, subject: Subject, say: Reporter) -> Iterator[Finding]:
    """Whether the candidate has what is desired."""
    status = subject.status
    if status is None or status.stable is None:
        return
    candidate = status.candidate
    there = observed.weight_of(candidate) if candidate else 100 - observed.weight_of(status.stable)
    wanted = status.weight.desired if candidate else 0
    if there == wanted:
        whose = f"version {candidate} has {there} %" if candidate else f"stable version {status.stable} has all of it"
        yield say.ok("weights", f"{whose}, as desired")
        return
    text = f"version {candidate or '?'} has {there} %, {wanted} % is desired"
    by = "" if observed.ours or not observed.manager else f"; {observed.manager} changed it last"
    fix = "a weight lowered by hand stays: `kubectl modelrollout resume`; any other is put right within seconds"
    yield say.warning("weights", f"{text}{by}", fix)
