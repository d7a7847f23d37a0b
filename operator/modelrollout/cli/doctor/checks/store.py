"""The Prometheus server: whether it answers, what it is, and what holds for all series that were found there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from modelrollout.cli.doctor.checks.view import View
from modelrollout.cli.doctor.facts import VICTORIA, Hint, ServiceFacts, StoreFacts
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.cli.words import span
from modelrollout.core.analysis.gates.checks.readable import left_out_warnings
from modelrollout.core.analysis.gates.checks.traffic import traffic_warnings
from modelrollout.core.analysis.gates.formatting import count
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.coverage import uncovered
from modelrollout.core.analysis.metrics.gateway.lookalikes import lookalikes
from modelrollout.core.analysis.metrics.gateway.unnamed import unnamed
from modelrollout.core.analysis.metrics.gateway.unstated import unstated
from modelrollout.core.analysis.metrics.promql import fill_matchers

_FIXES = {
    "PrometheusTimeout": "see how busy it is; the operator allows `timeout` of its configuration",
    "PrometheusRejected": "see whether the address leads to Prometheus's HTTP API, without /api/v1",
    "PartialAnswer": "repair the store behind it: of a part nothing is judged, and the weight is held",
    "AnswerTooLarge": "narrow the matchers in the operator's configuration, or export fewer series",
    "TooManySeries": "narrow the matchers in the operator's configuration, or export fewer series",
    "AnswerMalformed": "see whether the address leads to Prometheus's HTTP API, without /api/v1",
    "CredentialsUnreadable": "name a file that holds your token with --bearer-token-file",
}
_HONOR = "set honorLabels: true in its ServiceMonitor or PodMonitor (honor_labels: true in a scrape config)"
_SELDOM = f"; {VICTORIA} sees a new Pod after up to 30 s: -promscrape.kubernetesSDCheckInterval=5s (docs/stores.md)"
_UNUSUAL = 1.5
"""Scrapes come this many times more or less often than configured before it is said."""


def reachable(facts: StoreFacts) -> Iterator[Finding]:
    """Whether it answers at all."""
    server = facts.source.server
    say = Reporter("store", server.name)
    if facts.failure is None:
        built = f", {facts.build}" if facts.build else ""
        yield say.ok("reachable", f"{server.url} answers{built} (from {facts.source.origin})")
        return
    reason = facts.failure.reason
    if reason == "PrometheusUnauthorized":
        who = "; the operator's own credentials are never read" if facts.source.needs_token else ""
        fix = f"name a file that holds your token with --bearer-token-file{who}"
    elif reason == "PrometheusUnreachable":
        fix = facts.source.reach
    else:
        fix = _FIXES.get(reason, "look at the server's own log")
    yield say.problem("reachable", f"{server.url}: {reason}: {facts.failure.message}", fix)


def series(view: View, services: Iterable[ServiceFacts]) -> Iterator[Finding]:
    """What all gates rest on."""
    yield from _newest(view)
    yield from _interval(view)
    yield from _addresses(view, services)
    yield from _labels(view)
    yield from _speakers(view)
    say = Reporter("store", "series")
    for text in view.twice:
        yield say.warning("scraped-twice", text, "keep one of the two scrape jobs or ServiceMonitors for it")
    for text in unnamed(view.request):
        yield say.warning("unnamed", text, "rename it, or set source: Model in the gates that read the gateway")
    for text in unstated(view.stores, view.reader, view.request):
        yield say.warning("unstated", text, "compare the dialect with what the gateway exports")
    for text in lookalikes(view.stores, view.reader, view.request):
        yield say.warning("lookalike", text, "rename one of the two routes: their requests are counted together")
    for text in left_out_warnings(view.gate_input):
        yield say.warning("bad-samples", text, "see what the exporter writes there")
    yield from _traffic(view)


def _traffic(view: View) -> Iterator[Finding]:
    """Without requests nothing can be judged, whatever else is right."""
    say, version, number = Reporter("store", "traffic"), view.subject.stable, view.requests[0]
    if number:
        yield say.ok("traffic", f"version {version} had {count(number)} requests in {view.minutes}")
    elif any(found.series for found in view.found.values()):
        text = f"version {version} had no request in {view.minutes}"
        yield say.warning("traffic", text, "without traffic nothing can be judged: send some, or wait for it")
    total = view.gate_input.table.total
    candidate, stable = (total(s.GATEWAY_REQUESTS, arm) for arm in ("candidate", "stable"))
    for text in traffic_warnings(view.gate_input, candidate, stable):
        yield say.warning("traffic", text)


def _newest(view: View) -> Iterator[Finding]:
    say = Reporter("store", "series")
    every = [found for found in view.found.values() if found.series]
    if not every:
        text = f"no sample of {view.subject.model} or its route in {view.minutes}"
        yield say.warning("newest", text, "the gates below say what is missing")
        return
    newest = max(every, key=lambda one: one.newest)
    age, number = view.facts.now - newest.newest, sum(one.series for one in every)
    if view.late(newest):
        text = f"the newest sample of any is {span(age)} old"
        yield say.problem("newest", text, "see Status, Targets in Prometheus: it scrapes neither gateway nor models")
        return
    yield say.ok("newest", f"{number:,} series, the newest sample {span(max(age, 0))} old")
    lost = uncovered(view.stores, view.reader, view.request, view.facts.now)
    if lost is not None:
        fix = "see why (Status, Targets); was it removed on purpose, wait 5 min: until then nothing is raised on a part"
        yield say.warning("target-lost", lost.message, fix)


def _interval(view: View) -> Iterator[Finding]:
    configured = view.facts.source.server.scrape_interval
    gaps = sorted(found.gap for found in view.found.values() if found.gap)
    seen = gaps[-1] if gaps else configured
    if view.facts.source.config is not None and not configured / _UNUSUAL <= seen <= configured * _UNUSUAL:
        text = f"scraped every {span(seen)}, the operator's configuration says {span(configured)}"
        fix = f"set scrapeInterval to {span(seen)} there, or scrape as configured"
        yield Reporter("store", "series").warning("scrape-interval", text, fix)


def _addresses(view: View, services: Iterable[ServiceFacts]) -> Iterator[Finding]:
    for one in services:
        arm: s.Arm = "stable" if one.arm == "stable" else "candidate"
        found = view.models(arm)
        scraped = len({instance for _, instance in found.targets})
        if 0 < scraped < one.ready:
            text = f"{scraped} of {one.ready} addresses of version {one.version} are scraped for the model's series"
            fix = "let the ServiceMonitor or PodMonitor select all of its Pods: the rest is not counted"
            fix += _SELDOM if view.facts.build.startswith(VICTORIA) else ""
            yield Reporter("store", "series").warning("addresses-scraped", text, fix)


def _speakers(view: View) -> Iterator[Finding]:
    """Whose word the evidence is: nothing is wrong by that, and people should know it."""
    say, server = Reporter("store", "speakers"), view.facts.source.server
    label = view.subject.spec.serving.arm_label
    if view.models("stable").series:
        whose = "the model servers' own word" if label == "version" else f"told by the label {label}"
        told = any("pod" in dict(one.labels) for store in view.stores for one in store.series.values())
        apart = ", held against the names of the Pods (label pod)" if told and label == "version" else ""
        yield say.ok("speakers", f"which version a model's series is about is {whose}{apart}")
    if view.request.dialect is not None:
        by = server.gateway_matchers.strip()
        text = f"the gateway's series count where {by}" if by else "the gateway's series count whoever exports them"
        yield say.ok("speakers", text if by else f"{text}: set gatewayMatchers in the operator's configuration")


def _labels(view: View) -> Iterator[Finding]:
    hints, say = view.facts.hints, Reporter("store", "labels")
    for one in hints.renamed:
        text = f"{_of(one)} of the model {_stand(one)}: their own labels gave way to the scrape's"
        yield say.problem("honor-labels", text, f"job {one.labels.get('job', '?')}: {_HONOR}")
    for one in hints.renamed_gateway:
        text = f"{_of(one)} of the gateway {_stand(one)}: no version is recognised by them"
        yield say.problem("honor-labels", text, f"job {one.labels.get('job', '?')}: {_HONOR}")
    if view.models("stable").series or hints.renamed:
        return
    server = view.facts.source.server
    arm, stable = view.subject.spec.serving.arm_label, s.arm_pattern(view.request, "stable")
    unmatched = [one for one in hints.unmatched if re.fullmatch(stable, one.labels.get(arm, ""))]
    if unmatched:
        where = ", ".join(f'{key}="{value}"' for key, value in sorted(unmatched[0].labels.items()))
        matchers = fill_matchers(server.matchers, view.subject.namespace)
        text = f"version {view.subject.stable} has {_of(unmatched[0])} ({where}) that do not match {matchers}"
        fix = "let the scrape add that label, or set `matchers` of the server in the operator's configuration"
        yield say.problem("matchers", text, fix)
    elif hints.versions:
        there = ", ".join(sorted(one.labels.get(arm, "?") for one in hints.versions)[:8])
        text = f"model {view.subject.model} has series of {arm} {there}, none of version {view.subject.stable}"
        yield say.problem("versions", text, "let Prometheus scrape the Pods of that version too")


def _of(hint: Hint) -> str:
    return f"{hint.series:,} series"


def _stand(hint: Hint) -> str:
    names = sorted(name for name in hint.labels if name.startswith("exported_"))
    return f"(job {hint.labels.get('job', '?')}) stand under {', '.join(names)}"
