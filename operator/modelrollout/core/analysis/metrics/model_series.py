"""Names of the series, and the two queries that fetch them: the gateway's of one route, the model's of two versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from modelrollout.api.config import PrometheusServer
from modelrollout.api.traffic.protocols import h2c_route_name
from modelrollout.core.analysis.metrics.promql import (
    any_of,
    fill_matchers,
    fill_pattern,
    literal,
    quoted,
    selector,
)
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.dialect import Dialect

Arm = Literal["stable", "candidate", "both"]
ARMS: tuple[Arm, ...] = ("stable", "candidate")

GATEWAY_REQUESTS = "gateway requests"
GATEWAY_DURATION = "gateway request durations"
GATEWAY_ROUTER = "gateway requests of the whole rule"
GATEWAY_HEARTBEAT = "gateway heartbeat"
GATEWAY = frozenset({GATEWAY_REQUESTS, GATEWAY_DURATION, GATEWAY_ROUTER, GATEWAY_HEARTBEAT})
"""Roles, independent of the name in the gateway's dialect."""

REQUESTS = "model_requests_total"
REQUEST_ERRORS = "model_request_errors_total"
DURATION = "model_request_duration_seconds_bucket"
SUCCESS = "nv_inference_request_success"
FAILURE = "nv_inference_request_failure"
TRITON_DURATION = "nv_inference_first_response_histogram_ms_bucket"
"""From a request's arrival to its first response, in ms; of all models since 26.01, of decoupled ones before."""
CANCELED = "CANCELED"
"""Triton's reason of a failure that is none: the client went away. Every other reason is an error."""
COUNTED = frozenset({REQUESTS, REQUEST_ERRORS, SUCCESS, FAILURE})
"""Requests are counted with any gates: steps need them."""
EVALS = "model_eval_total"
CORRECT = "model_eval_correct_total"
EVALS_LOST = "model_eval_lost_total"
SAMPLES = "model_activation_samples_total"
OFFERED = "model_activation_offered_samples_total"
OBSERVATIONS = "model_activation_observations_total"
DROPPED = "model_activation_dropped_observations_total"
ELEMENTS = "model_activation_elements_total"
ZEROS = "model_activation_zero_elements_total"
NEGATIVES = "model_activation_negative_elements_total"
NONFINITE = "model_activation_nonfinite_elements_total"
MAGNITUDES = "model_activation_abs_bucket"
WINDOWS = "model_activation_windows_total"
WINDOW_NEURONS = "model_activation_window_neurons_total"
WINDOW_DEAD = "model_activation_window_dead_neurons_total"
WINDOW_DEAD_SQUARED = "model_activation_window_dead_neurons_squared_total"
WINDOW_SIZE = "model_activation_window_size"
LAYER_INFO = "model_activation_layer_info"
INFO = "model_activation_info"
GAUGES = frozenset({WINDOW_SIZE})
MARKS = frozenset({INFO, LAYER_INFO})
"""Series that say something by their label alone."""

DETAIL: Mapping[str, str] = {
    DURATION: "le",
    TRITON_DURATION: "le",
    FAILURE: "reason",
    NONFINITE: "kind",
    DROPPED: "reason",
    EVALS_LOST: "reason",
    EVALS: "source",
    CORRECT: "source",
    MAGNITUDES: "le",
    LAYER_INFO: "dead_if",
    INFO: "digest",
}
"""The one label besides version and layer that is kept apart, by metric; over all others series are summed."""
UNIT: Mapping[str, float] = {TRITON_DURATION: 0.001}
"""Seconds in one unit of a model's `le`, where that is not a second."""
_POD = "(?:(?:[a-z0-9]{1,10}-)?[a-z0-9]{5}|[0-9]{1,6})"
"""What Deployments, ReplicaSets and StatefulSets add to a Pod's name; no more: digits-v1-gpu is not digits-v1."""


@dataclass(frozen=True)
class Selection:
    """One query, and how to read its series."""

    origin: Literal["gateway", "model", "preflight"]
    text: str


def faces(request: EvaluationRequest) -> tuple[tuple[Dialect, bool], ...]:
    """How the gateway counts each protocol that is split, and whether it is gRPC; none without a dialect."""
    dialect, traffic = request.dialect, request.spec.traffic
    if dialect is None:
        return ()
    http = ((dialect, False),) if traffic.has_http else ()
    return (*http, (dialect.grpc or dialect, True)) if traffic.has_grpc else http


def metrics_of(dialect: Dialect) -> dict[str, str]:
    """The metric of every role that the dialect has."""
    found = {
        GATEWAY_REQUESTS: dialect.requests,
        GATEWAY_DURATION: dialect.durations,
        GATEWAY_ROUTER: dialect.router,
        GATEWAY_HEARTBEAT: dialect.heartbeat,
    }
    return {role: metric for role, metric in found.items() if metric is not None}


def exported_as(metric: str, request: EvaluationRequest) -> str:
    """What people find in Prometheus: a role's metric in the rollout's dialect, any other name as it is."""
    return metric if request.dialect is None else metrics_of(request.dialect).get(metric, metric)


def label_pattern(pattern: str, request: EvaluationRequest, arms: Iterable[Arm] = (), *, grpc: bool = False) -> str:
    """A dialect's pattern for the rollout's route and the backends of any of the `arms`, every name escaped.

    A name is matched as it is and as the gateway writes it: not every part of a label is rewritten. `grpc`: of the
    backends that serve gRPC.
    """
    arms = tuple(arms)
    return request.fact(
        ("label pattern", pattern, arms, grpc), lambda: _label_pattern(pattern, request, arms, grpc=grpc)
    )


def _label_pattern(pattern: str, request: EvaluationRequest, arms: tuple[Arm, ...], *, grpc: bool) -> str:
    gateway, dialect, serving = request.spec.traffic.gateway, request.dialect, request.spec.serving

    def spelled(*names: str) -> str:
        known = [*names, *(dialect.written(name) for name in names if dialect is not None)]
        return _one_of(known)

    values = {
        "namespace": spelled(request.namespace),
        "route": spelled(request.route),
        "rule": str(0 if request.git is None else request.git.rule),
        "standIn": spelled(h2c_route_name(request.namespace, request.name)),
        "gatewayNamespace": spelled(gateway.namespace or request.namespace),
        "gateway": spelled(gateway.name),
        "service": spelled(*(serving.service_of(request.version_of(arm)) for arm in arms)),
        "port": str(serving.grpc_port if grpc else serving.port),
        "index": _one_of([str(request.place_of(arm)) for arm in arms]),
    }
    return fill_pattern(pattern, values)


def _one_of(values: Iterable[str]) -> str:
    found = any_of(dict.fromkeys(values))
    return f"(?:{found})" if "|" in found else found


def gateway_selection(request: EvaluationRequest, server: PrometheusServer, wanted: Iterable[str]) -> Selection | None:
    """The gateway's series of this route, with its heartbeat (which has no label of a backend); None without one.

    Requests are always counted; durations only where they are among the `wanted`.
    """
    dialect = request.dialect
    if dialect is None:
        return None
    roles = {GATEWAY_REQUESTS, GATEWAY_ROUTER, GATEWAY_HEARTBEAT} | (GATEWAY & frozenset(wanted))
    names: set[str] = set()
    patterns: list[str] = []
    for face, grpc in faces(request):
        patterns.append(label_pattern(face.backend, request, ARMS, grpc=grpc))
        if face.rule is not None:
            patterns.append(label_pattern(face.rule, request))
        names |= {metric for role, metric in metrics_of(face).items() if role in roles} | set(face.counters)
    if dialect.heartbeat is not None:
        patterns.append("")
    mandatory = fill_matchers(server.gateway_matchers, request.namespace)
    speaks = (_matcher(one, request) for one in dialect.matchers)
    arms = [f"{dialect.label}=~{quoted('|'.join(dict.fromkeys(patterns)))}", *speaks]
    return Selection("gateway", selector(names, arms, mandatory))


def _matcher(matcher: str, request: EvaluationRequest) -> str:
    """A dialect's matcher with its placeholders filled: a pattern inside a quoted value."""
    label, _, value = matcher.partition('"')
    return label + quoted(label_pattern(value.rpartition('"')[0], request))


def model_selection(request: EvaluationRequest, server: PrometheusServer, wanted: Iterable[str]) -> Selection:
    """The model's own series of both versions: what always counts, and those among the `wanted`."""
    names = {*COUNTED, INFO, *wanted} - GATEWAY
    return Selection("model", series_of(request, names, fill_matchers(server.matchers, request.namespace)))


def series_of(request: EvaluationRequest, names: Iterable[str], mandatory: str) -> str:
    """The selector of the model's own series `names` of both versions."""
    versions = "|".join(arm_pattern(request, arm) for arm in ARMS)
    label = request.spec.serving.arm_label
    arms = [f"model={quoted(request.spec.model.name)}", f"{label}=~{quoted(versions)}"]
    return selector(frozenset(names), arms, mandatory)


def arm_pattern(request: EvaluationRequest, arm: Arm) -> str:
    """Pattern of the label that tells the versions' own series apart (serving.arm), for one of them."""
    template = request.spec.serving.arm_template
    known = {"{version}": literal(request.version_of(arm)), "{pod}": _POD, "*": ".*"}
    parts = re.split(r"(\{version\}|\{pod\}|\*)", template)
    return "".join(known.get(part) or literal(part) for part in parts)


def pod_pattern(request: EvaluationRequest, arm: Arm) -> str:
    """Pattern of the names of Pods whose workload is called as the Service of that version is."""
    return f"{literal(request.spec.serving.service_of(request.version_of(arm)))}-{_POD}"
