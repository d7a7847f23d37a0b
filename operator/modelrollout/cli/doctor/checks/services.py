"""The Services behind the route: each version's exists, has the port and has addresses that are ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from modelrollout.api.config import OperatorConfig
from modelrollout.cli.doctor.facts import ServiceFacts, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter


def services(
    found: Iterable[ServiceFacts], subject: Subject, config: OperatorConfig | None = None
) -> Iterator[Finding]:
    """One finding for each version; `config`: what is known of the operator's configuration."""
    for one in found:
        yield _service(one, subject, config)


def _service(one: ServiceFacts, subject: Subject, config: OperatorConfig | None) -> Finding:
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
        return say.problem("addresses", text, fix) if len(one.unready) == total else say.warning("addresses", text, fix)
    refused = [] if config is None else [each for each in one.no_pods if not _allowed(config, subject, each)]
    if refused:
        text = f"{whose}: {len(refused)} of {total} addresses may not be asked, such as {refused[0]}"
        fix = (
            f"its EndpointSlice names no Pod of namespace {subject.namespace} (targetRef): let a selector find Pods, "
            "or have the address in probes.allowed of the operator's configuration"
        )
        return say.problem("addresses", text, fix)
    noun = "address" if total == 1 else "addresses"
    return say.ok("addresses", f"{whose}: {total} {noun} on port {one.port}, ready")


def _allowed(config: OperatorConfig, subject: Subject, target: str) -> bool:
    return config.probes.allows(subject.namespace, target.rpartition(":")[0].strip("[]"))
