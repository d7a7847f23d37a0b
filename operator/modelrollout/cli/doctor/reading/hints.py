"""Questions that find series which are there under other labels than expected; each answer is a few counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.cli.doctor.facts import VICTORIA, Hint, Hints, StoreFacts
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.promql import any_of, fill_matchers, quoted
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.dialects.dialect import Dialect
from modelrollout.ports import LedgerFailure

MOST = 20
"""Hints of one kind."""
_BUILDS = {
    "prometheus_build_info": "Prometheus",
    "thanos_build_info": "Thanos",
    "mimir_build_info": "Mimir",
    "cortex_build_info": "Cortex",
    "vm_app_version": VICTORIA,
}
"""What is called so by the metric that tells its version."""


async def build(ledger: PrometheusLedger, facts: StoreFacts) -> str:
    """What the server is, where it scrapes itself and nothing else of the kind; "" where it does not say."""
    try:
        query = f"group by (__name__, version, short_version) ({{__name__=~{quoted('|'.join(_BUILDS))}}})"
        found = await _ask(ledger, facts, query)
    except _NotTakenError:
        return ""
    if len(found) != 1:
        return ""
    labels = found[0].labels
    name = _BUILDS.get(labels.get("__name__", ""), "")
    return f"{name} {labels.get('short_version') or labels.get('version', '')}".strip()


class _NotTakenError(Exception):
    """The server does not answer such a question."""


async def hints(ledger: PrometheusLedger, facts: StoreFacts) -> Hints:
    """Asked only where what is expected is missing, but for renamed labels: those may be one job's of two."""
    try:
        return await _hints(ledger, facts)
    except _NotTakenError:
        return Hints(taken=False)


async def _hints(ledger: PrometheusLedger, facts: StoreFacts) -> Hints:
    request, server = facts.request, facts.source.server
    gates = registry.gates_in_force(request.spec.gates, registry.every_default())
    names = ({*s.COUNTED, s.INFO} | registry.series_wanted(gates)) - s.GATEWAY
    named = f"__name__=~{quoted(any_of(sorted(names)))}"
    model, mandatory = quoted(request.spec.model.name), fill_matchers(server.matchers, request.namespace)
    has_model, has_gateway = _has(facts)
    arm = request.spec.serving.arm_label
    whole, part = (f"exported_model={model}",), (f"model={model}", f'exported_{arm}!=""')
    either = " or ".join(_of(named, *labels, mandatory) for labels in (whole, part))
    renamed = await _ask(ledger, facts, f"count by (job, exported_model, exported_{arm}) ({either})")
    unmatched: Sequence[Hint] = ()
    versions: Sequence[Hint] = ()
    if not has_model:
        unmatched = await _ask(ledger, facts, f"count by ({arm}, namespace, job) ({_of(named, f'model={model}')})")
        versions = await _ask(ledger, facts, f"count by ({arm}) ({_of(named, f'model={model}', mandatory)})")
    found = Hints(renamed=_by_job(renamed), unmatched=tuple(unmatched), versions=tuple(versions))
    return found if has_gateway else await _of_gateway(ledger, facts, found)


async def _of_gateway(ledger: PrometheusLedger, facts: StoreFacts, found: Hints) -> Hints:
    """What the gateway's series are like, where none counts for stable."""
    request, spoken = facts.request, facts.request.dialect
    mandatory = fill_matchers(facts.source.server.gateway_matchers, request.namespace)
    metrics = quoted(any_of(sorted({one.requests for one in facts.source.dialects})))
    dialects = await _ask(ledger, facts, f"count by (__name__) ({_of(f'__name__=~{metrics}', mandatory)})")
    if spoken is None:
        return replace(found, dialects=tuple(dialects))
    name, label = f"__name__={quoted(spoken.requests)}", spoken.label
    pattern = quoted(s.label_pattern(spoken.backend, request, s.ARMS))
    mine = f"exported_{label}=~{pattern}"
    renamed = await _ask(ledger, facts, f"count by (job, exported_{label}) ({_of(name, mine, mandatory)})")
    ours = [f"{label}=~{quoted(one)}" for one in _names_ours(facts, spoken)]
    other = _of(name, *ours, f"{label}!~{pattern}", mandatory)
    alike = await _ask(ledger, facts, f"count by ({label}) ({other})")
    return replace(found, renamed_gateway=_by_job(renamed), alike=tuple(alike), dialects=tuple(dialects))


def _names_ours(facts: StoreFacts, spoken: Dialect) -> list[str]:
    """Patterns of a label that has the name of one of our Services in it, whole, and our namespace where it has one.

    Services of other namespaces are called alike, and are nobody's mistake.
    """
    serving, request = facts.request.spec.serving, facts.request
    services = [serving.service_of(request.version_of(arm)) for arm in s.ARMS]
    words = [services, [request.namespace]] if "{namespace}" in spoken.backend else [services]
    every = [any_of(dict.fromkeys([*names, *(spoken.written(one) for one in names)])) for names in words]
    return [f"(.*[^a-zA-Z0-9])?({one})([^a-zA-Z0-9].*)?" for one in every]


def _has(facts: StoreFacts) -> tuple[bool, bool]:
    """(whether stable has series of its own, whether the gateway counts its requests)."""
    reader = SeriesReader(facts.request)
    every = [reader.channel(dict(labels)) for store in facts.stores for labels in store.series]
    stable = [one for one in every if one is not None and one.arm == "stable"]
    own = any(not reader.is_gateways(one) for one in stable)
    return own, any(one.metric == s.GATEWAY_REQUESTS for one in stable)


def _of(*matchers: str) -> str:
    return "{" + ",".join(one for one in matchers if one) + "}"


def _by_job(found: Iterable[Hint]) -> tuple[Hint, ...]:
    """One for each job, with the labels of its first."""
    jobs: dict[str, Hint] = {}
    for one in found:
        known = jobs.get(one.labels.get("job", ""))
        labels, number = (one.labels, 0) if known is None else (known.labels, known.series)
        jobs[one.labels.get("job", "")] = Hint(labels, number + one.series)
    return tuple(jobs[job] for job in sorted(jobs))


async def _ask(ledger: PrometheusLedger, facts: StoreFacts, query: str) -> list[Hint]:
    """The series of the answer. Raises _NotTakenError where the server gives none, as one without patterns of names."""
    answer = await ledger.steps(facts.source.server, query, facts.now, facts.now, 1.0)
    if isinstance(answer, LedgerFailure):
        raise _NotTakenError
    found = [
        Hint({name: text for name, text in one.labels if text}, int(one.values[-1]))
        for one in answer
        if len(one.values)
    ]
    return sorted(found, key=lambda one: sorted(one.labels.items()))[:MOST]
