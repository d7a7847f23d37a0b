"""The operator's own configuration: what a platform team decides once, so that a resource only picks names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from modelrollout.api.base import ApiModel
from modelrollout.api.gates import Name
from modelrollout.api.quantities import Duration

Dialect = Literal["Traefik", "None"]


class PrometheusServer(ApiModel):
    """One server a resource may name; credentials come from files, never from a resource."""

    name: Name = "default"
    url: Annotated[str, Field(pattern=r"^https?://", max_length=2048)]
    matchers: Annotated[str, Field(max_length=1024)] = Field(
        'namespace="{namespace}"', description="label matchers added to every built-in query on model series"
    )
    gateway_matchers: Annotated[str, Field(max_length=1024)] = Field(
        "", description="label matchers added to every built-in query on gateway series"
    )
    bearer_token_file: str | None = None
    ca_file: str | None = None
    timeout: Duration = 10.0
    scrape_interval: Duration = 15.0
    allow_queries: bool = Field(False, description="whether resources may carry Query gates")


class OperatorConfig(ApiModel):
    prometheus: Annotated[list[PrometheusServer], Field(min_length=1, max_length=16)]
    dialects: dict[str, Dialect] = Field(
        {"traefik.io/gateway-controller": "Traefik"},
        description="metric dialect by the GatewayClass's controllerName",
    )
    probe_interval: Duration = 2.0
    probe_timeout: Duration = 1.0
    resync: Duration = 10.0
    settle: Duration = 3.0

    def server(self, name: str) -> PrometheusServer | None:
        """The server of that name, or None."""
        return next((server for server in self.prometheus if server.name == name), None)


def load_config(path: Path) -> OperatorConfig:
    """Read a YAML file; errors are pydantic's, with the field and the value."""
    return OperatorConfig.model_validate(yaml.safe_load(path.read_text()) or {})
