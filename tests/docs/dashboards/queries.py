"""PromQL of the dashboards: $namespace and $model choose, and the operator says which version is stable or tried."""

from __future__ import annotations

from typing import Literal

ROLLOUT = 'namespace=~"$namespace",model=~"$model"'
MODEL = ROLLOUT
"""Both have the labels namespace and model."""
WINDOW = "$__rate_interval"
Role = Literal["stable", "candidate"]


def rollout(metric: str, more: str = "") -> str:
    """A metric of the operator about the chosen rollouts; replicas that stand by have none."""
    return f"{metric}{{{ROLLOUT}{',' if more else ''}{more}}}"


def rate(metric: str, by: str, more: str = "") -> str:
    """Growth a second of a model's counter, summed over its servers."""
    return f"sum by ({by}) (rate({metric}{{{MODEL}{',' if more else ''}{more}}}[{WINDOW}]))"


def share(part: str, whole: str, by: str, more: str = "") -> str:
    """What part of `whole` is `part`; nothing where there was none of it."""
    return f"{rate(part, by, more)} / ({rate(whole, by, more)} > 0)"


def of(role: Role, metric: str, by: str = "", more: str = "") -> str:
    """As rate(), of the version that has the role now."""
    labels = f'role="{role}"'
    info = f"max by (namespace, model, version) ({rollout('modelrollout_rollout_version_info', labels)})"
    grown = f"rate({metric}{{{MODEL}{',' if more else ''}{more}}}[{WINDOW}])"
    joined = f"{grown} * on (namespace, model, version) group_left () {info}"
    return f"sum by ({by}) ({joined})" if by else f"sum({joined})"


def share_of(role: Role, part: str, whole: str, more: str = "") -> str:
    return f"{of(role, part, '', more)} / ({of(role, whole, '', more)} > 0)"


def distribution(role: Role) -> str:
    """By layer and edge, the share of magnitudes up to the edge."""
    buckets = of(role, "model_activation_abs_bucket", "layer, le", 'layer=~"$layer"')
    whole = of(role, "model_activation_abs_bucket", "layer", 'layer=~"$layer",le="+Inf"')
    return f"{buckets} / ignoring (le) group_left () ({whole} > 0)"


def quantile(level: float) -> str:
    return f"histogram_quantile({level:g}, {rate('model_request_duration_seconds_bucket', 'version, le')})"


def gate_limit(kind: str) -> str:
    """The limit of the spec, where it is a plain number."""
    labels = f'type="{kind}",bound="max"'
    return f"max({rollout('modelrollout_gate_limit', labels)})"
