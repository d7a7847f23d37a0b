"""What a series counts for one rollout: which arm, which layer, and the one detail that is kept apart."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import NamedTuple

from modelrollout.api.borders.cleaning import clean_name
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.arms.pods import Pods
from modelrollout.core.analysis.metrics.edges import LABEL, canonical_edge, scaled_edge
from modelrollout.core.analysis.metrics.golden.series import LEFT_OUT, GoldenReader, is_probers
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.dialect import Dialect

NO_ERROR = ""
"""Detail of a gateway's answers that its dialect calls neither error nor refusal; of an error it is its status."""
REFUSED = "refused "
"""What stands before the status in the detail of a refusal."""


class Channel(NamedTuple):
    """What a series counts, summed over pods, loads and methods."""

    metric: str
    """Its name; of a gateway's series its role, independent of its name in the dialect."""
    arm: Arm
    layer: str = ""
    detail: str = ""


class SeriesReader:
    """Tells what a series counts for one rollout; built once per evaluation. Patterns are compiled once a request."""

    def __init__(self, request: EvaluationRequest) -> None:
        self._label = request.spec.serving.arm_label
        self._arms = request.fact("arms", lambda: [(re.compile(s.arm_pattern(request, arm)), arm) for arm in s.ARMS])
        self.pods = Pods(request)
        self._known: dict[str, Arm | None] = {}
        self._golden = GoldenReader(request) if request.preflight else None
        self._gateway = request.fact("gateway readers", lambda: _gateway_readers(request))
        self._of_gateway = {metric for reader in self._gateway for metric in reader.roles}

    @property
    def key(self) -> Hashable:
        """Two readers with equal keys read every series alike."""
        golden = None if self._golden is None else self._golden.key
        return self._label, tuple(self._arms), self.pods.key, golden, tuple(one.key for one in self._gateway)

    def channel(self, labels: Mapping[str, str]) -> Channel | None:
        """The channel of a series, or None where it belongs to neither arm or is a bucket whose edge is no number."""
        metric = labels.get("__name__", "")
        if metric in self._of_gateway:
            found = (one.channel(metric, labels) for one in self._gateway if metric in one.roles)
            return next((channel for channel in found if channel is not None), None)
        if is_probers(labels):
            found_there = self._golden.channel(labels) if self._golden is not None else None
            return None if found_there is None else Channel(*found_there)
        if self._golden is not None and metric in LEFT_OUT:
            return None
        arm = self._arm(labels.get(self._label, ""))
        if arm is None or not self.pods.may_speak(arm, labels):
            return None
        label, layer = s.DETAIL.get(metric, ""), clean_name(labels.get("layer", ""))
        text = labels.get(label, "")
        detail = _edge(text, s.UNIT.get(metric, 1.0)) if label == LABEL else clean_name(text)
        return None if detail is None else Channel(metric, arm, layer, detail)

    def _arm(self, value: str) -> Arm | None:
        """The version that a value of the telling label stands for; None for neither, and for one that fits both."""
        if value not in self._known:
            found = [arm for pattern, arm in self._arms if pattern.fullmatch(value)]
            self._known[value] = found[0] if len(found) == 1 else None
        return self._known[value]

    def apart(self, channel: Channel) -> str:
        """The label that a channel's detail was read from; empty where there is none."""
        if self._gateway and channel.metric in {s.GATEWAY_REQUESTS, s.GATEWAY_ROUTER}:
            return self._gateway[0].status
        return s.DETAIL.get(channel.metric, "")

    def lacks_status(self, labels: Mapping[str, str]) -> bool:
        """Whether the series counts a version's answers at the gateway and does not say which went well."""
        metric = labels.get("__name__", "")
        return any(one.lacks_status(metric, labels) for one in self._gateway if metric in one.roles)

    def is_a_call(self, labels: Mapping[str, str]) -> bool:
        """Whether the gateway's series is of a version's backend that serves gRPC."""
        metric = labels.get("__name__", "")
        grpc = (one for one in self._gateway if one.grpc and metric in one.roles)
        return any(one.channel(metric, labels) is not None for one in grpc)

    def is_gateways(self, channel: Channel) -> bool:
        """Whether a gateway counted it, and not the model."""
        return channel.metric in s.GATEWAY


def _gateway_readers(request: EvaluationRequest) -> list[_GatewayReader]:
    counted = s.faces(request)
    return [_GatewayReader(face, request, grpc=grpc, alone=len(counted) == 1) for face, grpc in counted]


def _edge(text: str, unit: float) -> str | None:
    """The edge in seconds, in its one spelling; None where `text` is no number."""
    edge = canonical_edge(text)
    return None if edge is None else scaled_edge(edge, unit)


class _GatewayReader:
    """The same for the series of a gateway, as its dialect has it; `alone` where one protocol is split."""

    def __init__(self, dialect: Dialect, request: EvaluationRequest, *, grpc: bool, alone: bool) -> None:
        self._dialect, self.grpc = dialect, grpc
        self.status = dialect.status
        self.roles = {metric: role for role, metric in s.metrics_of(dialect).items()}
        self.roles |= dict.fromkeys(dialect.counters, s.GATEWAY_REQUESTS)
        self._backends: list[tuple[re.Pattern[str], Arm]] = [
            (re.compile(s.label_pattern(dialect.backend, request, [arm], grpc=grpc)), arm) for arm in s.ARMS
        ]
        rule = None if alone or dialect.rule is None else s.label_pattern(dialect.rule, request)
        self._rule = None if rule is None else re.compile(rule)

    @property
    def key(self) -> Hashable:
        return self._dialect, tuple(self._backends), self._rule

    def channel(self, metric: str, labels: Mapping[str, str]) -> Channel | None:
        role = self.roles[metric]
        arm = self._arm(role, labels)
        detail = self._detail(role, labels)
        if role == s.GATEWAY_ROUTER and self._rule and not self._rule.fullmatch(labels.get(self._dialect.label, "")):
            return None  # the other protocol's, whose statuses mean something else
        return None if arm is None or detail is None else Channel(role, arm, "", detail)

    def lacks_status(self, metric: str, labels: Mapping[str, str]) -> bool:
        role = self.roles[metric]
        return role == s.GATEWAY_REQUESTS and self._arm(role, labels) is not None and not self._status(labels)

    def _arm(self, role: str, labels: Mapping[str, str]) -> Arm | None:
        if role in {s.GATEWAY_ROUTER, s.GATEWAY_HEARTBEAT}:
            return "both"
        backend = labels.get(self._dialect.label, "")
        return next((arm for known, arm in self._backends if known.fullmatch(backend)), None)

    def _detail(self, role: str, labels: Mapping[str, str]) -> str | None:
        if role == s.GATEWAY_REQUESTS and not self._status(labels):
            return None
        if role in {s.GATEWAY_REQUESTS, s.GATEWAY_ROUTER}:
            return self._answer(labels)
        if role != s.GATEWAY_DURATION:
            return ""
        return _edge(labels.get(LABEL, ""), self._dialect.seconds)

    def _status(self, labels: Mapping[str, str]) -> str:
        """Of an answer; "" where the series does not tell it."""
        grpc, named = self._dialect.grpc_status, self._dialect.counters.get(labels.get("__name__", ""))
        return named or (labels.get(grpc, "") if grpc else "") or labels.get(self._dialect.status, "")

    def _answer(self, labels: Mapping[str, str]) -> str:
        status = self._status(labels)
        if self._dialect.is_error(status):
            return status
        return REFUSED + status if self._dialect.is_refusal(status) else NO_ERROR
