"""The route of gRPC's calls: which of its two forms stands, whether the gateway took it, and what its Services need."""

from __future__ import annotations

from collections.abc import Iterator

from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.cli.doctor.checks.routing.answers import accepted, weights
from modelrollout.cli.doctor.facts import CallRoute, ClusterFacts, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter

_H2C = ("kubernetes.io/h2c", "grpc")
"""What a port's appProtocol says where a gateway is to speak HTTP/2 to it without TLS."""


def calls(facts: ClusterFacts, subject: Subject) -> Iterator[Finding]:
    """Nothing where only HTTP is split and no route of gRPC was left."""
    found = [one for one in facts.calls if _ours(one, subject)]
    say = Reporter("route", "gRPC")
    if not subject.spec.traffic.has_grpc:
        for one in found:
            yield _left(one.kind, one.name, "GRPC", say)
        return
    unread = next((one.raw.unknown for one in facts.calls if one.raw.unknown), "")
    if not found and unread:
        yield say.warning("route", f"it cannot be read: {unread}", "ask for the role view here")
    elif not found:
        yield _missing(facts, subject, say)
    for one in found[:1]:
        yield from _judged(one, subject)
    yield from _ports(facts, subject)


def left_http(subject: Subject) -> Finding:
    """HTTP's route, where the spec names gRPC alone."""
    return _left("HTTPRoute", subject.name, "HTTP", Reporter("route", f"route {subject.name}"))


def _left(kind: str, name: str, protocol: str, say: Reporter) -> Finding:
    text = f"{kind} {name} is left of another spec.traffic.protocols; it leads to stable alone"
    return say.warning("route", text, f"add {protocol} to it, or `kubectl delete {kind.lower()} {name}`")


def _ours(one: CallRoute, subject: Subject) -> bool:
    """Whether it is there and of this resource; somebody else's GRPCRoute of the name is in the way of ours."""
    if one.observed is None:
        return False
    return not one.observed.foreign or (one.kind == "GRPCRoute" and subject.spec.traffic.has_grpc)


def _missing(facts: ClusterFacts, subject: Subject, say: Reporter) -> Finding:
    if facts.route is None and (subject.status is None or subject.status.stable is None):
        return say.ok("route", f"not there yet: it is made once version {subject.spec.model.version} is ready")
    fix = "the operator makes it again within seconds: see whether one is alive, and its rights on GRPCRoutes"
    return say.problem("route", "there is no route for gRPC, though a version serves", fix)


def _judged(one: CallRoute, subject: Subject) -> Iterator[Finding]:
    say = Reporter("route", f"{one.kind} {one.name}")
    if one.observed is None or one.observed.foreign:
        fix = "rename the ModelRollout or that route, or hand it over with the annotation modelrollout.dev/resource"
        yield say.problem("ours", f"it is somebody else's: {one.observed.foreign if one.observed else ''}", fix)
        return
    gateway = subject.spec.traffic.gateway
    yield from accepted(one.raw.found or {}, (gateway.namespace or subject.namespace, gateway.name), say)
    yield from weights(one.observed, subject, say)


def _ports(facts: ClusterFacts, subject: Subject) -> Iterator[Finding]:
    """Without appProtocol a gateway speaks HTTP/1 to the port, and every call fails."""
    port = subject.spec.serving.grpc_port
    for version, one in facts.grpc_services:
        name = subject.spec.serving.service_of(version)
        say = Reporter("services", f"version {version}")
        ports = mappings(mapping(mapping(one.found).get("spec")).get("ports"))
        mine = next((each for each in ports if each.get("port") == port), None)
        if one.found is None:
            continue  # said of its HTTP port
        if mine is None:
            fix = f"add the port, with appProtocol: {_H2C[0]}, or put spec.serving.grpcPort right"
            yield say.problem("grpc", f"Service {name} has no port {port} for gRPC", fix)
        elif mine.get("appProtocol") not in _H2C:
            has = clean(mine.get("appProtocol"), 64) or "none"
            text = f"port {port} of Service {name} says appProtocol {has}: gateways may speak HTTP/1 to it"
            yield say.warning("grpc", text, f"write appProtocol: {_H2C[0]}")
        else:
            yield say.ok("grpc", f"port {port} of Service {name} is HTTP/2's")
