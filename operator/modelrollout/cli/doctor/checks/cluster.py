"""The resource, its definition, and whether an operator is alive that acts on it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from modelrollout.api.base import GROUP, PLURAL
from modelrollout.api.borders.cleaning import clean, mapping, mappings, whole_number
from modelrollout.api.crd import crd
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.cli.doctor.facts import ClusterFacts, Read
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.cli.lookup.found import Installation, Unknown
from modelrollout.cli.words import span

DEFAULT_DURATION = 15.0
"""Seconds until a silent leader is replaced, where the Lease does not say."""
_LATEST, _SHOWN = 2**63, 4
_INVALID = "fix the manifest; `kubectl modelrollout lint FILE` shows each problem with its line"


def cluster(facts: ClusterFacts, name: str) -> Iterator[Finding]:
    """In the order in which one thing rests on the other."""
    yield from _definition(facts.definition)
    yield from _operator(facts.operator, facts.lease, facts.now)
    yield from _resource(facts, Reporter("cluster", name))


def _resource(facts: ClusterFacts, say: Reporter) -> Iterator[Finding]:
    if facts.problem:
        yield say.problem("spec-valid", f"the spec is invalid: {facts.problem}", _INVALID)
        return
    meta, status = mapping(facts.resource.get("metadata")), mapping(facts.resource.get("status"))
    wanted, seen = (
        whole_number(of.get(key), -1, _LATEST, -1) for of, key in ((meta, "generation"), (status, "observedGeneration"))
    )
    phase, reason = clean(status.get("phase"), 64), clean(status.get("reason"), 64)
    if not phase:
        text = "it has no status: no operator has looked at it"
        yield say.problem("seen", text, "see whether an operator runs that watches this namespace")
    elif seen < wanted:
        text = f"the newest spec (generation {wanted}) has not been looked at, status is about generation {seen}"
        yield say.warning("seen", text, "look again in a few seconds; if it stays, see the operator's log")
    else:
        yield say.ok("seen", f"{phase}, {reason}: status is about the newest spec (generation {wanted})")
    if meta.get("deletionTimestamp"):
        yield say.warning("deleted", "it is being deleted: the operator gives stable all traffic first")


def _operator(operator: Installation | Unknown, lease: Read, now: float) -> Iterator[Finding]:
    if isinstance(operator, Unknown):
        yield Reporter("cluster", "operator").warning("operator-found", operator.why, operator.fix)
        return
    say = Reporter("cluster", "operator")
    if operator.problem:
        text = f"{operator.where} holds no configuration that an operator can use: {operator.problem}"
        yield say.problem("operator-configured", text, "put the chart's `config` values right and upgrade the release")
    yield _leader(operator, lease, now, say)


def _leader(operator: Installation, lease: Read, now: float, say: Reporter) -> Finding:
    logs = f"`kubectl -n {operator.namespace} logs deployment/{operator.name}`"
    runs = f"see `kubectl -n {operator.namespace} get pods` and {logs}"
    where = f"{operator.namespace}/{operator.name}"
    if lease.unknown:
        return say.warning("operator-alive", f"whether it is alive cannot be seen: {lease.unknown}", f"see {logs}")
    if lease.found is None:
        return say.problem("operator-alive", f"no process has ever taken the Lease {where}", runs)
    spec = mapping(lease.found.get("spec"))
    holder = clean(spec.get("holderIdentity"), 128)
    lasts = float(whole_number(spec.get("leaseDurationSeconds"), 1, 300, int(DEFAULT_DURATION)))
    try:
        renewed = now - parse_timestamp(spec.get("renewTime"))
    except ValueError:
        return say.problem("operator-alive", f"the Lease {where} does not say when it was renewed", runs)
    if not holder:
        return say.problem("operator-alive", f"nobody holds the Lease {where}, given up {span(renewed)} ago", runs)
    if renewed > lasts:
        text = f"{holder} leads no more: its Lease was renewed {span(renewed)} ago and lasts {span(lasts)}"
        return say.problem("operator-alive", text, runs)
    return say.ok("operator-alive", f"{holder} leads in {operator.namespace}, seen {span(max(renewed, 0.0))} ago")


def _definition(definition: Read) -> Iterator[Finding]:
    """Nothing where it may not be read: few people may, and it is seldom wrong."""
    if definition.found is None:
        return
    say = Reporter("cluster", "definition")
    missing = lacking(definition.found)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        text = f"the cluster's definition does not know {', '.join(missing[:_SHOWN])}{more}"
        fix = "it drops those fields at apply: upgrade the chart, or apply crds/modelrollout.yaml"
        yield say.warning("definition-current", text, fix)
    else:
        yield say.ok("definition-current", f"{PLURAL}.{GROUP} knows every field that this plugin knows")


def lacking(definition: dict[str, Any]) -> list[str]:
    """Fields of spec and status that this plugin knows and the cluster's definition does not."""
    stored = next(iter(mappings(mapping(definition.get("spec")).get("versions"))), {})
    return sorted(_lacking(_known(), _schema(stored), ""))


@cache
def _known() -> dict[str, Any]:
    """The schema of this plugin; generating it takes a while."""
    return _schema(mappings(crd()["spec"]["versions"])[0])


def _schema(version: dict[str, Any]) -> dict[str, Any]:
    return mapping(mapping(version.get("schema")).get("openAPIV3Schema"))


def _lacking(known: dict[str, Any], theirs: dict[str, Any], path: str) -> Iterator[str]:
    for name, schema in mapping(known.get("properties")).items():
        other, at = mapping(theirs.get("properties")).get(name), f"{path}.{name}" if path else name
        if isinstance(other, dict):
            yield from _lacking(mapping(schema), other, at)
        else:
            yield at
    if "items" in known:
        yield from _lacking(mapping(known["items"]), mapping(theirs.get("items")), f"{path}[]")
