"""What every dialect in the registry must do, and one that differs from the first in all that may differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pytest

from modelrollout.api.config import OperatorConfig, PrometheusServer, parse_config
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import NO_ERROR, REFUSED, SeriesReader
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects import registry
from modelrollout.dialects.dialect import Dialect, GatewayMetrics
from modelrollout.dialects.traefik import TRAEFIK
from tests.unit.analysis.recorded import START, Recording, look, request_of, scrapes, spec_of

HASH = "0123456789abcdef0123"
OTHER = GatewayMetrics(
    name="Other",
    controllers=("other.example/controller",),
    requests="other_requests_total",
    durations="other_request_duration_milliseconds_bucket",
    seconds=0.001,
    label="upstream",
    backend="{gatewayNamespace}/{gateway}:{namespace}/{route}/0/{service}",
    status="response",
    errors="5..|grpc-14",
    refusals="4..|grpc-3",
    matchers=('reporter="source"',),
)
"""Milliseconds, another label, no heartbeat, nothing counted by rule, several reporters."""


@dataclass(frozen=True)
class Place:
    """Where a request went; as a rule the candidate's backend of our own rollout, the rule's second one."""

    service: str = "digits-v2"
    route: str = "digits"
    namespace: str = "vision"
    gateway: str = "inference"
    rule: int = 0

    @property
    def index(self) -> int:
        """Its place among the rule's backends: stable's first."""
        return int(self.service != "digits-v1")

    def told_from_ours_by(self, example: Example) -> bool:
        """Whether the label of `example` shows in what this place differs from our candidate's."""
        here, ours = asdict(self), asdict(Place())
        return any(here[name] != ours[name] for name in here if name not in example.blind)


def _traefik(at: Place) -> str:
    return (
        f"httproute-{at.namespace}-{at.route}-gw-infra-{at.gateway}-ep-web-{at.rule}-{HASH}"
        f"-svc-{at.namespace}-{at.service}-1@kubernetesgateway"
    )


@dataclass(frozen=True)
class Example:
    """What a gateway of this dialect really exports."""

    backend: Callable[[Place], str]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    refused: tuple[str, ...]
    edges: Mapping[str, float] = field(default_factory=dict)
    """`le` as exported, and what it is in seconds."""
    blind: frozenset[str] = frozenset()
    """Fields of Place that its label does not tell."""


MILLISECONDS = {"0.5": 0.0005, "100": 0.1, "1200": 1.2, "1e+06": 1000.0, "+Inf": np.inf}
ENVOY: Any = {
    "good": ("200", "302", "499", ""),
    "bad": ("500", "503", "504", "599"),
    "refused": ("400", "404", "429"),
    "edges": MILLISECONDS,
}
EXAMPLES = {
    "Traefik": Example(
        _traefik,
        good=("200", "302", "499", "0", "1", ""),
        bad=("500", "503", "599", "2", "4", "12", "13", "14", "15"),
        refused=("400", "401", "404", "408", "429", "490", "498", "3", "5", "6", "7", "8", "9", "10", "11", "16"),
        edges={"0.1": 0.1, "1.2": 1.2},
    ),
    "Istio": Example(
        lambda at: f"{at.service}.{at.namespace}.svc.cluster.local",
        good=("200", "302", "499", "0", ""),
        bad=("500", "503"),
        refused=("400", "404", "429"),
        edges=MILLISECONDS,
        blind=frozenset({"route", "gateway", "rule"}),
    ),
    "EnvoyGateway": Example(
        lambda at: f"httproute/{at.namespace}/{at.route}/rule/{at.rule}/backend/{at.index}",
        **ENVOY,
        blind=frozenset({"service", "gateway"}),
    ),
    "Cilium": Example(
        lambda at: f"infra/cilium-gateway-{at.gateway}/{at.namespace}_{at.service}_8000",
        **ENVOY,
        blind=frozenset({"route", "rule"}),
    ),
    "Kgateway": Example(
        lambda at: f"kube_{at.namespace}_{at.service}_8000", **ENVOY, blind=frozenset({"route", "gateway", "rule"})
    ),
    "Agentgateway": Example(
        lambda at: f"{at.service}.{at.namespace}.svc.cluster.local:8000",
        good=("200", "302", "499", ""),
        bad=("500", "503", "504", "599"),
        refused=("400", "404", "429"),
        edges={"0.1": 0.1, "1.2": 1.2},
        blind=frozenset({"route", "gateway", "rule"}),
    ),
    "Other": Example(
        lambda at: f"infra/{at.gateway}:{at.namespace}/{at.route}/{at.rule}/{at.service}",
        good=("200", "grpc-0", "5000"),
        bad=("500", "503", "grpc-14"),
        refused=("400", "499", "grpc-3"),
        edges={"100": 0.1, "1200": 1.2, "+Inf": np.inf},
    ),
}
every_dialect = pytest.mark.parametrize("dialect", [*registry.DIALECTS, OTHER], ids=lambda one: one.name)


def example(dialect: Dialect) -> Example:
    return EXAMPLES[dialect.name]


def request(dialect: Dialect, *gates, **changes) -> EvaluationRequest:
    return request_of(spec_of(*gates), dialect=dialect, **changes)


def labels(dialect: Dialect, metric: str | None, at: Place, **more: str) -> dict[str, str]:
    return {"__name__": metric or "", dialect.label: example(dialect).backend(at), **more}


@pytest.mark.alike(10)
@every_dialect
@pytest.mark.parametrize(
    ("sentence", "place", "arm"),
    [
        ("the candidate's backend", Place(), "candidate"),
        ("stable's backend", Place(service="digits-v1"), "stable"),
        ("a version that only begins alike", Place(service="digits-v21"), None),
        ("a version that only ends alike", Place(service="my-digits-v2"), None),
        ("a route that only begins alike", Place(route="digits-eu"), None),
        ("a route that only ends alike", Place(route="eu-digits"), None),
        ("the testers' rule", Place(rule=1), None),
        ("another namespace", Place(namespace="visions"), None),
        ("another Gateway", Place(gateway="inference-b"), None),
    ],
)
def test_a_backend_belongs_to(dialect, sentence, place, arm):
    for metric in (dialect.requests, dialect.durations):
        found = SeriesReader(request(dialect)).channel(labels(dialect, metric, place, le="1"))
        if arm is None and not place.told_from_ours_by(example(dialect)):
            arm = "candidate"
        assert (found and found.arm) == arm, sentence


@every_dialect
def test_a_dot_in_a_name_matches_only_what_the_gateway_makes_of_it(dialect):
    spec = spec_of()
    gateway = spec.traffic.gateway.model_copy(update={"name": "in.ference"})
    spec = spec.model_copy(update={"traffic": spec.traffic.model_copy(update={"gateway": gateway})})
    reader = SeriesReader(request_of(spec, dialect=dialect))
    written = Place(gateway=dialect.written("in.ference"))
    assert reader.channel(labels(dialect, dialect.requests, written)) is not None
    other = reader.channel(labels(dialect, dialect.requests, Place(gateway="inxference")))
    assert (other is None) == ("gateway" not in example(dialect).blind)


@pytest.mark.alike(4)
@every_dialect
@pytest.mark.parametrize("where", ["route", "gateway"])
async def test_a_dot_at_which_the_gateway_ends_its_label_is_said(dialect, where):
    spec = spec_of({"name": "errors", "type": "ErrorRate"})
    dotted = spec.traffic.gateway.model_copy(update={"name": "eu.inference"})
    changes: dict[str, Any] = {"name": "digits.eu"}
    if where == "gateway":
        changes = {"spec": spec.model_copy(update={"traffic": spec.traffic.model_copy(update={"gateway": dotted})})}
    asked = request_of(changes.pop("spec", spec), dialect=dialect, **changes)
    found = await look(asked, 60, Recording(scrapes(60), "gateway").growing(dialect.heartbeat or "up", 0))
    ended = dialect.ends_at is not None and where not in example(dialect).blind
    named = "the ModelRollout digits.eu" if where == "route" else "the Gateway eu.inference"
    assert [text for text in found.warnings if named in text] == ([] if not ended else list(found.warnings))
    assert bool(found.warnings) == ended


@every_dialect
def test_errors_and_refusals_are_told_from_answers(dialect):
    reader = SeriesReader(request(dialect))
    of = example(dialect)
    expected = dict.fromkeys(of.good, NO_ERROR) | {one: one for one in of.bad}
    for status, detail in (expected | {one: REFUSED + one for one in of.refused}).items():
        found = reader.channel(labels(dialect, dialect.requests, Place(), **{dialect.status: status}))
        assert found is not None
        assert (found.metric, found.detail) == (s.GATEWAY_REQUESTS, detail), status


@pytest.mark.alike(6)
@every_dialect
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "error") for status in ("5xx", "5XX", " 500", "503 ", "503 Service Unavailable", "503.0")),
        *((status, "refusal") for status in ("4xx", "4XX", "404 ", "404: not found", "400.00", "4xx-other")),
        *(
            (status, "answer")
            for status in ("2xx", "3XX", " 200 ", "1xx", "", " ", "x", "\u0665xx", "xx", "55xx", "5x", "5033", "503.5")
        ),
    ],
)
def test_a_status_counts_whatever_its_spelling(dialect, status, kind):
    found = "error" if dialect.is_error(status) else "refusal" if dialect.is_refusal(status) else "answer"
    assert found == kind


@pytest.mark.alike(6)
@pytest.mark.parametrize("dialect", [one for one in registry.DIALECTS if one.is_error("14")], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "error") for status in ("UNAVAILABLE", "Unavailable", "DeadlineExceeded", "DEADLINE_EXCEEDED")),
        *((status, "error") for status in ("Internal", "unknown", "DATA_LOSS", "UNIMPLEMENTED")),
        *((status, "refusal") for status in ("NotFound", "NOT_FOUND", "InvalidArgument", "permission-denied")),
        *((status, "answer") for status in ("OK", "Ok", "CANCELLED", "Canceled", "Internally")),
    ],
)
def test_a_status_of_grpc_counts_by_its_name_too(dialect, status, kind):
    found = "error" if dialect.is_error(status) else "refusal" if dialect.is_refusal(status) else "answer"
    assert found == kind


@every_dialect
def test_bucket_edges_are_seconds(dialect):
    reader = SeriesReader(request(dialect))
    for edge, seconds in example(dialect).edges.items():
        found = reader.channel(labels(dialect, dialect.durations, Place(), le=edge))
        assert found is not None
        assert (found.metric, float(found.detail)) == (s.GATEWAY_DURATION, seconds)


@every_dialect
def test_the_whole_rule_and_the_heartbeat_belong_to_both_versions(dialect):
    reader = SeriesReader(request(dialect))
    for metric, role in ((dialect.router, s.GATEWAY_ROUTER), (dialect.heartbeat, s.GATEWAY_HEARTBEAT)):
        found = reader.channel({"__name__": metric or "none"})
        assert (found and (found.metric, found.arm)) == (None if metric is None else (role, "both"))


@every_dialect
def test_one_query_asks_for_both_backends_and_for_nothing_of_others(dialect):
    server = PrometheusServer(url="http://p", gateway_matchers='cluster="{namespace}"')
    found = s.gateway_selection(request(dialect), server, (s.GATEWAY_DURATION,))
    assert found is not None
    names = {"namespace": "vision", "route": "digits", "gatewayNamespace": "infra", "gateway": "inference"}
    matchers = [re.sub(r"\{(\w+)\}", lambda one: names[one[1]], matcher) for matcher in dialect.matchers]
    assert found.text.endswith(",".join(["", *matchers, 'cluster="vision"}']))
    metrics = re.search(r'__name__=~"([^"]*)"', found.text)
    pattern = re.search(rf'{dialect.label}=~"([^"]*)"', found.text)
    assert metrics is not None
    assert pattern is not None
    assert set(metrics.group(1).split("|")) == set(s.metrics_of(dialect).values())
    expression, of = re.compile(pattern.group(1).replace("\\\\", "\\")), example(dialect).backend
    assert expression.fullmatch(of(Place()))
    assert expression.fullmatch(of(Place(service="digits-v1")))
    for foreign in (Place(rule=1), Place(route="digits-eu"), Place(namespace="visions"), Place(service="digits-v21")):
        told = foreign.told_from_ours_by(example(dialect))
        assert bool(expression.fullmatch(of(foreign))) != told, foreign
    assert bool(expression.fullmatch("")) == (dialect.heartbeat is not None)


@every_dialect
def test_durations_are_asked_for_only_where_a_gate_needs_them(dialect):
    found = s.gateway_selection(request(dialect), PrometheusServer(url="http://p"), ())
    assert found is not None
    assert dialect.durations not in found.text
    assert dialect.requests in found.text


@pytest.mark.alike(2)
@every_dialect
async def test_a_bad_candidate_fails_by_the_gateways_own_counts(dialect):
    rec = Recording(scrapes(600), "gateway")
    if dialect.heartbeat:
        rec.growing(dialect.heartbeat, 0)
    of = example(dialect)
    for service, bad, since in (("digits-v1", 1, -np.inf), ("digits-v2", 20, START)):
        backend = {dialect.label: of.backend(Place(service=service))}
        for status, growth in ((of.good[0], 100 - bad), (of.bad[0], bad)):
            rec.growing(dialect.requests, growth, since=since, **backend, **{dialect.status: status})
        for edge, seconds in {**of.edges, "+Inf": np.inf}.items():
            slow = bad if seconds < 1 else 0
            rec.growing(dialect.durations, 100 - slow, since=since, le=edge, **backend)
    gates = ({"name": "errors", "type": "ErrorRate"}, {"name": "latency", "type": "Latency", "max": "100ms"})
    found = await look(request(dialect, *gates), 600, rec)
    errors, latency = found.gates
    assert (errors.verdict, errors.observed, errors.stable) == ("FAIL", "20.0 %", "1.0 %")
    assert (latency.verdict, latency.observed, latency.limit) == ("FAIL", "P99 <= 1.2 s", "P99 <= 100 ms")


@every_dialect
def test_a_dialect_has_an_example_and_a_controller(dialect):
    assert dialect.name in EXAMPLES
    assert dialect.controllers
    assert dialect.name != registry.NO_DIALECT


def test_no_two_dialects_share_a_name_or_a_controller():
    assert len({one.name for one in registry.DIALECTS}) == len(registry.DIALECTS)
    assert len(registry.by_controller()) == sum(len(one.controllers) for one in registry.DIALECTS)


def test_the_configuration_knows_the_dialects_of_the_registry():
    server = {"prometheus": [{"url": "http://p"}]}
    assert OperatorConfig(prometheus=[PrometheusServer(url="http://p")]).dialects == registry.by_controller()
    assert parse_config({**server, "dialects": {"a/b": "Traefik"}}).dialects == {"a/b": "Traefik"}
    assert parse_config({**server, "dialects": {"a/b": "None"}}).dialects == {"a/b": "None"}
    with pytest.raises(ValueError, match=r"'Traefik'.* or 'None'"):
        parse_config({**server, "dialects": {"a/b": "traefik"}})


def test_without_a_dialect_nothing_is_the_gateways():
    reader = SeriesReader(request_of(spec_of(), dialect=None))
    assert reader.channel(labels(TRAEFIK, TRAEFIK.requests, Place())) is None
    assert reader.channel({"__name__": TRAEFIK.heartbeat or ""}) is None
