"""How the gateway's series are read, and why none of them counts for a version where none does."""

from __future__ import annotations

from collections.abc import Iterator

from modelrollout.cli.doctor.checks.view import View
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.core.analysis.gates.formatting import count
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.registry import DIALECTS

_SHOWN = 3
_GATEWAY = ("Gateway", None)
"""Sources with which a gate may read the gateway's series."""


def dialect(view: View) -> Iterator[Finding]:
    """One finding, or none where no gate reads a gateway's series."""
    say, spoken = Reporter("store", "gateway's series"), view.request.dialect
    needed = any(
        "source" in type(gate).model_fields and getattr(gate, "source", None) in _GATEWAY for gate in view.gates
    )
    if spoken is None:
        if needed:
            yield _unread(view, say)
        return
    found = view.of([s.GATEWAY_REQUESTS], "stable")
    if found.series:
        told = {"controller": f"controller {view.facts.controller}", "series": "found by its series"}
        by = told.get(view.facts.dialect_by, "configured")
        yield say.ok(
            "dialect", f"read as {spoken.name} ({by}): {spoken.requests} counts for version {view.subject.stable}"
        )
    elif needed or view.of([s.GATEWAY_REQUESTS], "candidate").series:
        yield _silent(spoken, view, say)


def _unread(view: View, say: Reporter) -> Finding:
    controller = view.facts.controller
    known = _known(view)
    if controller:
        text = f"the gateways of {controller} are not read: gates read the model's own series"
        fix = "add it to `dialects` of the operator's configuration, or set source: Model on the gates"
    else:
        text = "no gateway's series name this route: gates read the model's own"
        fix = "let Prometheus scrape the gateway, or set source: Model on the gates"
    if known:
        text += f" (there are series of {', '.join(known)})"
    return say.warning("dialect", text, fix)


def _silent(spoken: Dialect, view: View, say: Reporter) -> Finding:
    """The gateway counts nothing for stable: why."""
    hints, stable, model = view.facts.hints, view.subject.stable, view.answered("stable")
    if hints.renamed_gateway:
        return say.warning("dialect", f"{spoken.requests}: no version is recognised", "see labels below")
    if hints.alike:
        names = ", ".join(one.labels.get(spoken.label, "?") for one in hints.alike[:_SHOWN])
        text = f'{spoken.requests} has {spoken.label}="{names}", which is not the name of this route, rule and Service'
        fix = "compare it with the route's namespace, name and Gateway: another route, or another rule, has the traffic"
        return say.problem("dialect", text, fix)
    scraped = view.of([s.GATEWAY_HEARTBEAT], "both").series or any(
        one.labels.get("__name__") == spoken.requests for one in hints.dialects
    )
    if not scraped and hints.taken:
        there = sorted(
            {each.name for each in DIALECTS for one in hints.dialects if each.requests in one.labels.values()}
        )
        other = f"; there are series of {', '.join(there)}" if there else ""
        text = f"no series of the dialect {spoken.name} ({spoken.requests}) is there{other}"
        return say.problem("dialect", text, "turn its metrics on, and let Prometheus scrape it")
    if model:
        text = f"{spoken.name} counts nothing for version {stable}, which answered {count(model)} requests itself"
        fix = "clients reach it by another way than this route: let them call its host names at the Gateway"
        return say.problem("dialect", text, fix)
    text = f"{spoken.name} has counted no request of version {stable} in {view.minutes}"
    return say.warning("dialect", text, "without traffic nothing can be judged: send some, or wait for it")


def _known(view: View) -> list[str]:
    """Names of the dialects whose series are there at all."""
    there = {one.labels.get("__name__", "") for one in view.facts.hints.dialects}
    return sorted(each.name for each in DIALECTS if each.requests in there)
