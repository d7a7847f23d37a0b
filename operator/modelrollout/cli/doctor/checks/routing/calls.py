"""The route of gRPC's calls: which of its two forms stands, whether the gateway took it, and what its Services need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelrollout.adapters.routers.forms.form import GRPC, H2C, HTTP, Form
from modelrollout.adapters.routers.reading import read
from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.cli.doctor.checks.routing.answers import accepted, weights
from modelrollout.cli.doctor.facts import ClusterFacts, Read, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter

_H2C = ("kubernetes.io/h2c", "grpc")
"""What a port's appProtocol says where a gateway is to speak HTTP/2 to it without TLS."""


def calls(facts: ClusterFacts, subject: Subject) -> Iterator[Finding]:
    """Nothing where only HTTP is split and no route of gRPC was left."""
    wanted = subject.spec.traffic.has_grpc
    found = [(form, one) for form, one in ((GRPC, facts.raw_grpc), (H2C, facts.raw_h2c)) if _ours(form, one, subject)]
    say = Reporter("route", "gRPC")
    if not wanted:
        for form, _ in found:
            yield _left(form, subject, say)
        return
    unread = next((one.unknown for one in (facts.raw_grpc, facts.raw_h2c) if one.unknown), "")
    if not found and unread:
        yield say.warning("route", f"it cannot be read: {unread}", "ask for the role view here")
    elif not found:
        yield _missing(facts, subject, say)
    for form, one in found[:1]:
        yield from _judged(form, one.found or {}, subject)
    yield from _ports(facts, subject)


def left_http(subject: Subject) -> Finding:
    """HTTP's route, where the spec names gRPC alone."""
    return _left(HTTP, subject, Reporter("route", f"route {subject.name}"))


def _left(form: Form, subject: Subject, say: Reporter) -> Finding:
    name = form.named(subject.namespace, subject.name)
    text = f"{form.kind} {name} is left of another spec.traffic.protocols; it leads to stable alone"
    return say.warning("route", text, f"add {form.protocol} to it, or `kubectl delete {form.kind.lower()} {name}`")


def _ours(form: Form, one: Read, subject: Subject) -> bool:
    """Whether it is there and of this resource; somebody else's GRPCRoute of the name is in the way of ours."""
    if one.found is None:
        return False
    foreign = bool(read(one.found, f"{subject.namespace}/{subject.name}").foreign)
    return not foreign or (form is GRPC and subject.spec.traffic.has_grpc)


def _missing(facts: ClusterFacts, subject: Subject, say: Reporter) -> Finding:
    if facts.route is None and (subject.status is None or subject.status.stable is None):
        return say.ok("route", f"not there yet: it is made once version {subject.spec.model.version} is ready")
    fix = "the operator makes it again within seconds: see whether one is alive, and its rights on GRPCRoutes"
    return say.problem("route", "there is no route for gRPC, though a version serves", fix)


def _judged(form: Form, raw: dict[str, Any], subject: Subject) -> Iterator[Finding]:
    name = form.named(subject.namespace, subject.name)
    say = Reporter("route", f"{form.kind} {name}")
    observed = read(raw, f"{subject.namespace}/{subject.name}")
    if observed.foreign:
        fix = "rename the ModelRollout or that route, or hand it over with the annotation modelrollout.dev/resource"
        yield say.problem("ours", f"it is somebody else's: {observed.foreign}", fix)
        return
    gateway = subject.spec.traffic.gateway
    yield from accepted(raw, (gateway.namespace or subject.namespace, gateway.name), say)
    yield from weights(observed, subject, say)


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
