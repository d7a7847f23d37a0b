"""Whether the Gateway has a listener for the route: by its name, its host name, and the routes that it allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.cli.doctor.checks.routing.hosts import ANY, meet
from modelrollout.cli.doctor.checks.routing.shadows import condition
from modelrollout.cli.doctor.facts import Read, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter

_PROTOCOLS = ("HTTP", "HTTPS")


def gateway(read: Read, subject: Subject, controller: str, hosts: list[str]) -> Iterator[Finding]:
    """The Gateway itself, then its listeners; `hosts` are those of the route."""
    wanted = subject.spec.traffic.gateway
    namespace = wanted.namespace or subject.namespace
    say = Reporter("route", f"gateway {wanted.name}")
    if read.unknown:
        fix = "ask for the right to get gateways there; the route's own status is shown below"
        yield say.warning("gateway", f"Gateway {namespace}/{wanted.name} cannot be read: {read.unknown}", fix)
        return
    if read.found is None:
        fix = "put spec.traffic.gateway right: `kubectl get gateways -A` lists those there are"
        yield say.problem("gateway", f"there is no Gateway {namespace}/{wanted.name}", fix)
        return
    for kind in ("Accepted", "Programmed"):
        found = condition(mapping(read.found.get("status")), kind)
        if found.get("status") == "False":
            text = f"Gateway {namespace}/{wanted.name} is not {kind}: {_said(found)}"
            yield say.problem("gateway", text, "see its conditions: `kubectl describe gateway`")
            return
    by = f", served by {controller}" if controller else ""
    yield say.ok("gateway", f"Gateway {namespace}/{wanted.name}{by}")
    yield from _listeners(read.found, subject, namespace, hosts)


def _listeners(found: dict[str, Any], subject: Subject, namespace: str, wants: list[str]) -> Iterator[Finding]:
    wanted = subject.spec.traffic.gateway
    every = mappings(mapping(found.get("spec")).get("listeners"))
    named = [one for one in every if wanted.section_name in (None, one.get("name"))]
    say = Reporter("route", f"listener {wanted.section_name}" if wanted.section_name else "listeners")
    if not named:
        there = ", ".join(_name(one) for one in every) or "none"
        text = f"the Gateway has no listener {wanted.section_name!r} (it has {there})"
        yield say.problem("listener", text, "put spec.traffic.gateway.sectionName right, or leave it out")
        return
    refused = {_name(one): _refusal(one, subject, namespace, wants) for one in named}
    usable = [one for one in named if not refused[_name(one)]]
    if not usable:
        why = "; ".join(f"{name} {text}" for name, text in refused.items())
        yield say.problem("listener", f"no listener takes the route: {why}", _fix(list(refused.values())))
        return
    lost = [host for host in wants if not any(meet(host, _host(one)) for one in usable)]
    if lost:
        fix = "add a listener for it to the Gateway, or take it out of spec.traffic.gateway.hostnames"
        yield say.warning("hostnames", f"no listener takes {', '.join(lost)}", fix)
    takes = ", ".join(f"{_name(one)} ({clean(one.get('protocol'), 16)} {clean(one.get('port'), 32)})" for one in usable)
    hosts = ", ".join(host for host in wants if host not in lost)
    yield say.ok("listener", f"{takes} takes {hosts}")


def _refusal(listener: dict[str, Any], subject: Subject, gateway_namespace: str, hosts: list[str]) -> str:
    """Why the listener does not take the route; "" where nothing speaks against it."""
    allowed = mapping(listener.get("allowedRoutes"))
    if listener.get("protocol") not in _PROTOCOLS:
        return f"is for {clean(listener.get('protocol'), 16)}, not HTTP"
    kinds = [one.get("kind") for one in mappings(allowed.get("kinds"))]
    if kinds and "HTTPRoute" not in kinds:
        return "allows no HTTPRoutes"
    if not any(meet(host, _host(listener)) for host in hosts):
        return f"is for {_host(listener)}, not {', '.join(hosts)}"
    where = mapping(allowed.get("namespaces")).get("from") or "Same"
    if where == "Same" and gateway_namespace != subject.namespace:
        return f"allows routes of namespace {gateway_namespace} alone"
    return "allows no routes" if where == "None" else ""


def _fix(why: list[str]) -> str:
    if any("not HTTP" in text or "allows no" in text for text in why):
        return "choose another listener with spec.traffic.gateway.sectionName, or let this one allow HTTPRoutes"
    if any("alone" in text for text in why):
        return "let the listener allow this namespace (allowedRoutes.namespaces), or use a Gateway in it"
    return "put spec.traffic.gateway.hostnames right, or add a listener for them to the Gateway"


def _name(listener: dict[str, Any]) -> str:
    return clean(listener.get("name"), 64)


def _host(listener: dict[str, Any]) -> str:
    return clean(listener.get("hostname"), 253) or ANY


def _said(found: dict[str, Any]) -> str:
    return f"{clean(found.get('reason'), 64)}, {clean(found.get('message'), 300)}"
