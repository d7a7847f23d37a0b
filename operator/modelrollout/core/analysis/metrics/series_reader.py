"""What a series counts for one rollout: which arm, which layer, and the one detail that is kept apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.registry import dialect_called

NO_ERROR = ""
"""Detail of a gateway's answers that its dialect calls no error; of the others it is their status."""


@dataclass(frozen=True)
class Channel:
    """What a series counts, summed over pods, loads and methods."""

    metric: str
    """Its name; of a gateway's series its role, independent of its name in the dialect."""
    arm: Arm
    layer: str = ""
    detail: str = ""


class SeriesReader:
    """Tells what a series counts for one rollout; built once per evaluation, since it compiles the route's name."""

    def __init__(self, request: EvaluationRequest) -> None:
        dialect = dialect_called(request.dialect)
        self._versions: dict[str, Arm] = {request.stable: "stable", request.candidate: "candidate"}
        self._gateway = None if dialect is None else _GatewayReader(dialect, request, self._versions)

    def channel(self, labels: Mapping[str, str]) -> Channel | None:
        """The channel of a series, or None where it belongs to neither arm."""
        metric = labels.get("__name__", "")
        if self._gateway is not None and metric in self._gateway.roles:
            return self._gateway.channel(metric, labels)
        arm = self._versions.get(labels.get("version", ""))
        if arm is None:
            return None
        return Channel(metric, arm, labels.get("layer", ""), labels.get(s.DETAIL.get(metric, ""), ""))


class _GatewayReader:
    """The same for the series of a gateway, as its dialect has it."""

    def __init__(self, dialect: Dialect, request: EvaluationRequest, versions: Mapping[str, Arm]) -> None:
        self._dialect = dialect
        self.roles = {metric: role for role, metric in s.metrics_of(dialect).items()}
        self._backends: list[tuple[re.Pattern[str], Arm]] = [
            (re.compile(s.label_pattern(dialect.backend, request, [request.spec.serving.service_of(version)])), arm)
            for version, arm in versions.items()
        ]

    def channel(self, metric: str, labels: Mapping[str, str]) -> Channel | None:
        role = self.roles[metric]
        arm = self._arm(role, labels)
        return None if arm is None else Channel(role, arm, "", self._detail(role, labels))

    def _arm(self, role: str, labels: Mapping[str, str]) -> Arm | None:
        if role in {s.GATEWAY_ROUTER, s.GATEWAY_HEARTBEAT}:
            return "both"
        backend = labels.get(self._dialect.label, "")
        return next((arm for known, arm in self._backends if known.fullmatch(backend)), None)

    def _detail(self, role: str, labels: Mapping[str, str]) -> str:
        if role in {s.GATEWAY_REQUESTS, s.GATEWAY_ROUTER}:
            status = labels.get(self._dialect.status, "")
            return status if self._dialect.is_error(status) else NO_ERROR
        edge = labels.get("le", "")
        unit = self._dialect.seconds
        return edge if unit == 1 or not edge else f"{float(edge) * unit:.12g}"
