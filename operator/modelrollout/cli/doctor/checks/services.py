"""The Services behind the route: each version's exists, has the port and has addresses that are ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from modelrollout.cli.doctor.facts import ServiceFacts, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter


def services(found: Iterable[ServiceFacts], subject: Subject) -> Iterator[Finding]:
    """One finding for each version."""
    for one in found:
        yield _service(one, subject)


def _service(one: ServiceFacts, subject: Subject) -> Finding:
    say = Reporter("services", one.service)
    look = f"kubectl -n {subject.namespace} get service,endpointslices"
    whose = f"version {one.version}, {one.arm}"
    if one.unknown:
        return say.warning("service", f"{whose}: {one.unknown}", "ask for the role view in this namespace")
    if one.wrong:
        fix = (
            f"create it with port {one.port}, or set spec.serving.service and port to what there is "
            f"(`{look}`); requests to it are answered with 500 until then"
        )
        return say.problem("service", f"{whose}: {one.wrong}", fix)
    total = one.ready + len(one.unready)
    selects = f"compare its selector with the Pods' labels (`{look} -l kubernetes.io/service-name={one.service}`)"
    if not total:
        return say.problem("addresses", f"{whose}: no addresses behind port {one.port}", f"start Pods, or {selects}")
    if one.unready:
        first = one.unready[0]
        text = f"{whose}: {len(one.unready)} of {total} addresses are not ready, such as {first}"
        fix = "see why their readiness probe fails: `kubectl describe pod`; a candidate needs all of them ready"
        return say.problem("addresses", text, fix) if not one.ready else say.warning("addresses", text, fix)
    noun = "address" if total == 1 else "addresses"
    return say.ok("addresses", f"{whose}: {total} {noun} on port {one.port}, ready")
