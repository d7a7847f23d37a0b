"""Which series each gate needs, as data: metric names, the labels that tell the arms apart, what a series means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from modelrollout.api.config import PrometheusServer
from modelrollout.api.gates import Gate
from modelrollout.core.analysis.metrics.promql import any_of, fill_matchers, literal, quoted, selector
from modelrollout.core.evaluation import EvaluationRequest

Arm = Literal["stable", "candidate", "both"]

GATEWAY_REQUESTS = "traefik_service_requests_total"
GATEWAY_DURATION = "traefik_service_request_duration_seconds_bucket"
GATEWAY_ROUTER = "traefik_router_requests_total"
GATEWAY_HEARTBEAT = "traefik_config_reloads_total"
GATEWAY = frozenset({GATEWAY_REQUESTS, GATEWAY_DURATION, GATEWAY_ROUTER, GATEWAY_HEARTBEAT})

REQUESTS = "model_requests_total"
REQUEST_ERRORS = "model_request_errors_total"
DURATION = "model_request_duration_seconds_bucket"
SUCCESS = "nv_inference_request_success"
FAILURE = "nv_inference_request_failure"
COUNTED = frozenset({REQUESTS, REQUEST_ERRORS, SUCCESS, FAILURE})
EVALS = "model_eval_total"
CORRECT = "model_eval_correct_total"
SAMPLES = "model_activation_samples_total"
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

MODEL_SERIES: Mapping[str, frozenset[str]] = {
    "ErrorRate": COUNTED,
    "Latency": frozenset({DURATION}),
    "Accuracy": frozenset({EVALS, CORRECT}),
    "DeadNeurons": frozenset({WINDOWS, WINDOW_NEURONS, WINDOW_DEAD, WINDOW_DEAD_SQUARED, WINDOW_SIZE, LAYER_INFO}),
    "NonFinite": frozenset({SAMPLES, ELEMENTS, NONFINITE}),
    "ZeroRatio": frozenset({ELEMENTS, ZEROS}),
    "NegativeRatio": frozenset({ELEMENTS, NEGATIVES}),
    "Drift": frozenset({MAGNITUDES}),
    "Query": frozenset(),
}
"""By gate type, the model's own series; requests are always counted, since steps need them."""
DETAIL: Mapping[str, str] = {
    GATEWAY_REQUESTS: "code",
    GATEWAY_ROUTER: "code",
    GATEWAY_DURATION: "le",
    DURATION: "le",
    NONFINITE: "kind",
    EVALS: "source",
    CORRECT: "source",
    MAGNITUDES: "le",
    LAYER_INFO: "dead_if",
    INFO: "digest",
}
"""The one label besides version and layer that is kept apart, by metric; over all others series are summed."""


@dataclass(frozen=True)
class Channel:
    """What a series counts, summed over pods, loads and methods."""

    metric: str
    arm: Arm
    layer: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Selection:
    """One query, and how to read its series."""

    origin: Literal["gateway", "model"]
    text: str


def route_pattern(request: EvaluationRequest, services: str) -> str:
    """Traefik's name of the split rule's (rule 0) backends, or of the rule itself where `services` is "".

    A looser pattern would also match a route called ROUTE-eu, and the testers' rule.
    """
    gateway = request.spec.traffic.gateway
    namespace, where = literal(request.namespace), literal(gateway.namespace or request.namespace)
    route = f"httproute-{namespace}-{literal(request.name)}-gw-{where}-{literal(gateway.name)}"
    rule = f"{route}-ep-[a-z0-9]+-0-[0-9a-f]{{20}}"
    backend = f"svc-{namespace}-(?:{services})-[0-9]+" if services else "wrr"
    return f"{rule}-{backend}@kubernetesgateway"


def gateway_selection(request: EvaluationRequest, server: PrometheusServer, gates: Iterable[Gate]) -> Selection | None:
    """The gateway's series of this route, with its heartbeat (which has no service label); None without one."""
    if request.dialect != "Traefik":
        return None
    serving = request.spec.serving
    services = any_of([serving.service_of(request.stable), serving.service_of(request.candidate)])
    pattern = f"{route_pattern(request, services)}|{route_pattern(request, '')}|"
    names = {GATEWAY_REQUESTS, GATEWAY_ROUTER, GATEWAY_HEARTBEAT}
    if any(gate.type == "Latency" and gate.source != "Model" for gate in gates):
        names.add(GATEWAY_DURATION)
    mandatory = fill_matchers(server.gateway_matchers, request.namespace)
    return Selection("gateway", selector(names, [f"service=~{quoted(pattern)}"], mandatory))


def model_selection(request: EvaluationRequest, server: PrometheusServer, gates: Iterable[Gate]) -> Selection:
    """The model's own series of both versions, whichever the gates may need."""
    names = {*COUNTED, INFO}
    for gate in gates:
        if gate.type == "Latency" and gate.source == "Gateway":
            continue
        names |= MODEL_SERIES[gate.type]
    return Selection("model", series_of(request, names, fill_matchers(server.matchers, request.namespace)))


def series_of(request: EvaluationRequest, names: Iterable[str], mandatory: str) -> str:
    """The selector of the model's own series `names` of both versions."""
    arms = [
        f"model={quoted(request.spec.model.name)}",
        f"version=~{quoted(any_of([request.stable, request.candidate]))}",
    ]
    return selector(frozenset(names), arms, mandatory)


class Reader:
    """Tells what a series counts for one rollout; built once per look, since it compiles the route's name."""

    def __init__(self, request: EvaluationRequest) -> None:
        serving = request.spec.serving
        self._versions: dict[str, Arm] = {request.stable: "stable", request.candidate: "candidate"}
        self._services: list[tuple[re.Pattern[str], Arm]] = [
            (re.compile(route_pattern(request, literal(serving.service_of(version)))), arm)
            for version, arm in self._versions.items()
        ]

    def channel(self, labels: Mapping[str, str]) -> Channel | None:
        """The channel of a series, or None where it belongs to neither arm."""
        metric = labels.get("__name__", "")
        arm = self._arm(metric, labels)
        if arm is None:
            return None
        return Channel(metric, arm, labels.get("layer", ""), labels.get(DETAIL.get(metric, ""), ""))

    def _arm(self, metric: str, labels: Mapping[str, str]) -> Arm | None:
        if metric in {GATEWAY_ROUTER, GATEWAY_HEARTBEAT}:
            return "both"
        if metric in GATEWAY:
            service = labels.get("service", "")
            return next((arm for known, arm in self._services if known.fullmatch(service)), None)
        return self._versions.get(labels.get("version", ""))
