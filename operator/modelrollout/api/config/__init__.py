"""The operator's own configuration: what a platform team sets once, and the chart's schema of it."""

from modelrollout.api.config.allowed import AllowedGateway, Probes
from modelrollout.api.config.custom_dialect import CustomDialect
from modelrollout.api.config.operator_config import (
    REMOVED,
    OperatorConfig,
    parse_config,
    removed_fields,
)
from modelrollout.api.config.prometheus_server import URL, PrometheusServer
from modelrollout.api.config.webhooks import GateWebhook

__all__ = [
    "REMOVED",
    "URL",
    "AllowedGateway",
    "CustomDialect",
    "GateWebhook",
    "OperatorConfig",
    "Probes",
    "PrometheusServer",
    "parse_config",
    "removed_fields",
]
