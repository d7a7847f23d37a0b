"""All checks in their order: of the cluster where there is one, of the store where it is known."""

from __future__ import annotations

from modelrollout.cli.doctor.checks.clocks import clocks
from modelrollout.cli.doctor.checks.cluster import cluster
from modelrollout.cli.doctor.checks.dialect import dialect
from modelrollout.cli.doctor.checks.gates import gates
from modelrollout.cli.doctor.checks.routing.route import route
from modelrollout.cli.doctor.checks.services import services
from modelrollout.cli.doctor.checks.store import reachable, series
from modelrollout.cli.doctor.checks.telemetry import telemetry
from modelrollout.cli.doctor.checks.view import look
from modelrollout.cli.doctor.facts import ClusterFacts, StoreFacts, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter


def diagnose(
    name: str, subject: Subject | None, there: ClusterFacts | None, store: StoreFacts | Finding | None
) -> list[Finding]:
    """The findings. Without a `subject` (an invalid spec) only the cluster is looked at.

    `store` is a Finding where it is not known which server to ask.
    """
    found: list[Finding] = []
    if there is not None:
        found += cluster(there, name)
    if subject is not None and there is not None:
        found += route(there, subject)
        found += services(there.services, subject, there.config)
    asked = store if isinstance(store, StoreFacts) else None
    found += clocks(there, asked)
    if isinstance(store, Finding):
        found.append(store)
    if subject is None or asked is None:
        return found
    found += reachable(asked)
    if asked.failure is not None:
        text = "not looked at: the server with their series did not answer"
        return [*found, Reporter("gates", "all").warning("gates", text, "see store")]
    view = look(subject, asked)
    found += series(view, there.services if there is not None else ())
    found += dialect(view)
    found += gates(view)
    found += telemetry(view)
    return found
