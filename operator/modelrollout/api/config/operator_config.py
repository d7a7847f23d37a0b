"""The operator's own configuration: a platform team sets it once, and resources only pick names."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong
from modelrollout.api.config.allowed import AllowedGateway, Probes
from modelrollout.api.config.custom_dialect import CustomDialect
from modelrollout.api.config.notifications import Notifications
from modelrollout.api.config.prometheus_server import PrometheusServer
from modelrollout.api.config.registries import ModelRegistry
from modelrollout.api.config.webhooks import GateWebhook
from modelrollout.api.quantities import Duration
from modelrollout.dialects import registry
from modelrollout.dialects.dialect import Dialect

REMOVED = frozenset({"settle"})
"""Fields of older configurations that nothing ever read."""


COPIES = frozenset({"HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"})
"""What the Gateway API calls copying requests: all of them, and a percentage of them."""


class Logs(ApiModel):
    """How the operator writes its log, to stderr."""

    format: Literal["Text", "JSON"] = "Text"
    """Lines for people, or one JSON object a line for programs; secrets are in neither."""


class Limits(ApiModel):
    """What one namespace may ask of an operator that serves others as well."""

    shortest_interval: Duration = 1.0
    """The shortest analysis.interval of a ModelRollout. A rollout that began with its gates goes on."""
    most_gates: Annotated[int, Field(ge=1, le=24)] = 24
    """Gates that a ModelRollout may have."""
    most_resources: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """ModelRollouts of one namespace that are served, the oldest ones; a newer one that has a route goes on."""


class ApiCalls(ApiModel):
    """How often the API server is asked, but for the Lease and for what takes traffic from a version."""

    per_second: Annotated[int, Field(ge=5, le=10_000)] = 400
    """Calls a second in the long run, by turns of namespaces."""
    burst: Annotated[int, Field(ge=5, le=10_000)] = 800
    """Calls that may be made at once after a rest."""


class OperatorConfig(ApiModel):
    """What the operator reads when it starts."""

    prometheus: Annotated[list[PrometheusServer], Field(min_length=1, max_length=16)]
    """The Prometheus servers that resources may name."""
    dialects: dict[str, str] = Field(registry.by_controller())
    """Metric dialect by the GatewayClass's controllerName; "None" where the model's own series are to be read."""
    custom_dialects: Annotated[list[CustomDialect], Field(max_length=16)] = []
    """Gateways of other names, which `dialects` may use."""
    mirrors: Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=64)] = [
        "gateway.envoyproxy.io/gatewayclass-controller"
    ]
    """ControllerNames whose gateways can copy requests (steps[0].mirror) though their GatewayClass lists nothing."""
    gateways: Annotated[list[AllowedGateway], Field(max_length=256)] = []
    """Gateways that resources of other namespaces may use; each namespace may use its own, unless they stand here."""
    probe_interval: Duration = 2.0
    """How often a version's readiness is probed."""
    probe_timeout: Duration = 1.0
    """How long one probe may take."""
    probes: Probes = Probes()
    """How model servers are asked, by the operator and the prober."""
    resync: Duration = 10.0
    """How often a rollout in progress is looked at though nothing has changed; at rest 60 times as rarely."""
    give_up_after: Duration = 300.0
    """A deleted resource is released after this long even if its traffic could not be put on stable."""

    limits: Limits = Limits()
    """What is refused, with a sentence that names the setting, so that nobody else has to wait."""
    api_calls: ApiCalls = ApiCalls()
    """How often the API server is asked."""
    logs: Logs = Logs()
    """Its log."""
    notifications: Notifications = Notifications()
    """Chat, mail, pagers and webhooks."""
    webhooks: Annotated[list[GateWebhook], Field(max_length=16)] = []
    """Systems of yours that Webhook gates may ask."""
    registries: Annotated[list[ModelRegistry], Field(max_length=16)] = []
    """Model registries whose aliases and tags follow the rollouts."""

    def server(self, name: str) -> PrometheusServer | None:
        """The server of that name, or None."""
        return next((server for server in self.prometheus if server.name == name), None)

    def webhook(self, name: str, namespace: str | None = None) -> GateWebhook | None:
        """The webhook of that name that a namespace (None: any) may have asked, or None."""
        found = (one for one in self.webhooks if one.name == name)
        return next((one for one in found if namespace is None or one.lets(namespace)), None)

    def dialect_of(self, controller: str) -> Dialect | None:
        """How the gateways of that controllerName count; None where they are not read."""
        name = self.dialects.get(controller, registry.NO_DIALECT)
        custom = next((one for one in self.custom_dialects if one.name == name), None)
        return custom.dialect() if custom else registry.dialect_called(name)

    def unsafe(self) -> list[str]:
        """Sentences about what works and may mislead, or lets others speak; people should know at the start."""
        spoken = any(name != registry.NO_DIALECT for name in self.dialects.values())
        units = [text for one in self.custom_dialects for text in one.doubts()]
        return units + [
            f"prometheus {server.name} has no gatewayMatchers: whatever it scrapes may write the gateway's series, and "
            "its word promotes versions; write what only the gateway's own targets have, such as "
            "'namespace=\"traefik\"'"
            for server in self.prometheus
            if spoken and not server.gateway_matchers.strip()
        ]

    def features_of(self, controller: str, listed: frozenset[str] | None) -> frozenset[str] | None:
        """What a gateway supports: what its GatewayClass lists; one that lists nothing may stand in `mirrors`."""
        return COPIES if listed is not None and not listed and controller in self.mirrors else listed

    @model_validator(mode="after")
    def _dialects_are_known(self) -> Self:
        known = list(registry.names())
        for index, one in enumerate(self.custom_dialects):
            if one.name in known:
                raise wrong(f"customDialects.{index}.name", f"choose another name: {one.name} is there already")
            known.append(one.name)
        for controller, name in self.dialects.items():
            if name not in known:
                *others, last = (repr(each) for each in known)
                raise wrong(f"dialects.{controller}", f"choose {', '.join(others)} or {last}")
        return self

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        listed = {
            "prometheus": [one.name for one in self.prometheus],
            "webhooks": [one.name for one in self.webhooks],
            "registries": [one.name for one in self.registries],
        }
        for field, names in listed.items():
            for index, name in enumerate(names):
                if name in names[:index]:
                    what = "webhook" if field == "webhooks" else "server"
                    raise wrong(f"{field}.{index}.name", f"give every {what} a different name")
        return self

    @model_validator(mode="after")
    def _times_are_positive(self) -> Self:
        for field in ("probe_interval", "probe_timeout", "resync"):
            if not getattr(self, field):
                camel = "".join(part.title() if index else part for index, part in enumerate(field.split("_")))
                raise wrong(camel, 'choose more than "0s", such as "2s"')
        return self


def parse_config(document: object) -> OperatorConfig:
    """The configuration in a parsed YAML document, judged as strictly as a manifest; what is gone is left out."""
    gone = removed_fields(document)
    if isinstance(document, dict):
        document = {name: value for name, value in document.items() if name not in gone}
    text = json.dumps(document or {}, default=str)
    return OperatorConfig.model_validate_json(text, strict=True, by_alias=True, by_name=False)


def removed_fields(document: object) -> list[str]:
    """Fields of a parsed document that an older operator took: they stop no operator, but people should know."""
    return sorted(REMOVED & document.keys()) if isinstance(document, dict) else []
