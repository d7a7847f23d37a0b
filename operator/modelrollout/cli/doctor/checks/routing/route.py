"""The route: whose it is, whether the gateway took it, who else takes its requests, and the weights on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelrollout.api.borders.cleaning import clean, mapping, whole_number
from modelrollout.api.config.claims import check_claim
from modelrollout.cli.doctor.checks.routing.git import adopted, copies
from modelrollout.cli.doctor.checks.routing.listeners import gateway
from modelrollout.cli.doctor.checks.routing.shadows import Shadow, condition, hosts_of, shadows, statuses
from modelrollout.cli.doctor.facts import ClusterFacts, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.core.observation import ObservedRoute

_LATEST = 2**63
_FIXES = {
    "NoMatchingListenerHostname": "put spec.traffic.gateway.hostnames right, or the listener's hostname",
    "NotAllowedByListeners": "let the listener allow routes of this namespace (allowedRoutes)",
    "NoMatchingParent": "put spec.traffic.gateway right: its name, namespace and sectionName",
    "BackendNotFound": "create the Service that is missing (see services), or put spec.serving right",
    "RefNotPermitted": "keep Services and ModelRollout in one namespace",
    "UnsupportedValue": "the gateway does not know what the route asks for: upgrade it",
}
"""By the reason constants of the Gateway API."""


def route(facts: ClusterFacts, subject: Subject) -> Iterator[Finding]:
    """From the Gateway to the weights."""
    raw, observed = facts.raw_route.found, facts.route
    hosts = subject.spec.traffic.gateway.hostnames or hosts_of(raw or {})
    yield from gateway(facts.gateway, subject, facts.controller, hosts)
    yield from _claim(facts, subject)
    yield from copies(facts, subject)
    say = Reporter("route", f"route {subject.route}")
    if facts.raw_route.unknown:
        yield say.warning("route", f"it cannot be read: {facts.raw_route.unknown}", "ask for the role view here")
        return
    if raw is None or observed is None:
        yield _missing(subject, say)
        return
    if observed.adopted:
        yield from adopted(observed, say)
    elif observed.foreign:
        fix = "rename the ModelRollout or that route, or hand it over with the annotation modelrollout.dev/resource"
        yield say.problem("ours", f"HTTPRoute {subject.name} is somebody else's: {observed.foreign}", fix)
    if observed.foreign:
        return
    if observed.doubt and not observed.adopted:
        fix = "annotate it with modelrollout.dev/stable and the version that serves: nothing moves until then"
        yield say.problem("ours", observed.doubt, fix)
    yield from _taken(raw, subject, facts)
    yield from _weights(observed, subject, say)


def _claim(facts: ClusterFacts, subject: Subject) -> Iterator[Finding]:
    """Whether the operator's configuration lets the resource have its Gateway and host names."""
    problems = [] if facts.config is None else check_claim(subject.namespace, subject.spec, facts.config)
    for problem in problems:
        say = Reporter("route", f"gateway {subject.spec.traffic.gateway.name}")
        text = f"not allowed by the operator's configuration: {problem.path} {problem.value}"
        yield say.problem("claim", f"{text}; what a route has already stays", problem.fix)


def _missing(subject: Subject, say: Reporter) -> Finding:
    if subject.spec.traffic.adopt is not None:
        fix = "Git makes it: the operator writes the weights of one that is there, and never makes one"
        return say.problem("route", f"there is no HTTPRoute {subject.route}, which traffic.adopt names", fix)
    if subject.status is None or subject.status.stable is None:
        text = f"not there yet: it is made once version {subject.spec.model.version} is ready"
        return say.ok("route", text)
    fix = "the operator makes it again within seconds: see whether one is alive, and its rights on HTTPRoutes"
    return say.problem("route", "there is no route, though a version serves", fix)


def _taken(raw: dict[str, Any], subject: Subject, facts: ClusterFacts) -> Iterator[Finding]:
    wanted = subject.spec.traffic.gateway
    where = (wanted.namespace or subject.namespace, wanted.name)
    yield from _accepted(raw, where, Reporter("route", f"route {subject.route}"))
    say = Reporter("route", "other routes")
    prefix = f"/v2/models/{subject.model}"
    found = list(shadows(raw, prefix, where, facts.others))
    yield from (_shadowed(one, prefix, say) for one in found)
    if facts.others_unknown:
        yield say.warning("shadowed", f"not all of them could be looked at: {facts.others_unknown}")
    elif not found:
        number = f"none of {len(facts.others)} other routes" if facts.others else "no other route"
        yield say.ok("shadowed", f"{number} takes requests of {prefix}")


def _accepted(raw: dict[str, Any], where: tuple[str, str], say: Reporter) -> Iterator[Finding]:
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


def _shadowed(one: Shadow, prefix: str, say: Reporter) -> Finding:
    who, fix = f"{one.kind} {one.namespace}/{one.name}", "change or remove that route's rule, or give it another host"
    if one.take == "all":
        text = f"shadowed: {who} is older and takes {one.what} of {one.host} before this route"
        return say.problem("shadowed", text, fix)
    if one.take == "infer":
        text = f"shadowed: {who} takes {one.what} of {one.host}, every inference, before this route"
        return say.problem("shadowed", text, fix)
    if one.take == "none":
        text = f"{who} asks for {prefix} of {one.host} too; this route is older and has it"
        return say.warning("shadowed", text, "remove that rule: the two change places when this route is made again")
    return say.warning("shadowed", f"{who} takes {one.what} of {one.host} before this route", fix)


def _weights(observed: ObservedRoute, subject: Subject, say: Reporter) -> Iterator[Finding]:
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
