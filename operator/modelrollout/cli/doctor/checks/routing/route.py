"""The route: whose it is, whether the gateway took it, who else takes its requests, and the weights on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelrollout.api.borders.cleaning import mapping, mappings
from modelrollout.api.config.claims import check_claim
from modelrollout.cli.doctor.checks.routing.answers import accepted, weights
from modelrollout.cli.doctor.checks.routing.calls import calls, left_http
from modelrollout.cli.doctor.checks.routing.git import adopted, copies
from modelrollout.cli.doctor.checks.routing.listeners import gateway
from modelrollout.cli.doctor.checks.routing.shadows import Shadow, hosts_of, shadows
from modelrollout.cli.doctor.facts import ClusterFacts, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter


def route(facts: ClusterFacts, subject: Subject) -> Iterator[Finding]:
    """From the Gateway to the weights, of each protocol."""
    raw = facts.raw_route.found
    hosts = subject.spec.traffic.gateway.hostnames or hosts_of(raw or {})
    yield from gateway(facts.gateway, subject, facts.controller, hosts)
    yield from _claim(facts, subject)
    yield from copies(facts, subject)
    if subject.spec.traffic.has_http:
        yield from _http(facts, subject)
    elif facts.route is not None and not facts.route.foreign:
        yield left_http(subject)
    yield from calls(facts, subject)


def _http(facts: ClusterFacts, subject: Subject) -> Iterator[Finding]:
    raw, observed = facts.raw_route.found, facts.route
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
    yield from weights(observed, subject, say)
    rules = mappings(mapping(raw.get("spec")).get("rules"))
    if subject.spec.traffic.route.retry is not None and not any("retry" in rule for rule in rules):
        fix = "install the experimental channel of the Gateway API, or use the gateway's own kind by a filter"
        yield say.warning("retry", "this cluster's HTTPRoute has no retry: spec.traffic.route.retry is dropped", fix)


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
    yield from accepted(raw, where, Reporter("route", f"route {subject.route}"))
    say = Reporter("route", "other routes")
    prefix = f"/v2/models/{subject.model}"
    found = list(shadows(raw, prefix, where, facts.others))
    yield from (_shadowed(one, prefix, say) for one in found)
    if facts.others_unknown:
        yield say.warning("shadowed", f"not all of them could be looked at: {facts.others_unknown}")
    elif not found:
        number = f"none of {len(facts.others)} other routes" if facts.others else "no other route"
        yield say.ok("shadowed", f"{number} takes requests of {prefix}")


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
