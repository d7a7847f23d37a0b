"""What operators of the tests are allowed: servers on loopback, which no Pod has, and one namespace's Gateways."""

from __future__ import annotations

from typing import Any, Final

from modelrollout.api.config import AllowedGateway, Probes

LOOPBACK: Final[dict[str, Any]] = {"allowed": [{"cidr": "127.0.0.0/8"}]}
"""`probes` of an operator's configuration."""
GATEWAYS: Final[list[dict[str, Any]]] = [{"namespace": "infra"}]
"""`gateways` of an operator's configuration: those of the tests lie in a namespace of their own."""
PROBES: Final = Probes.model_validate(LOOPBACK)
ALLOWED: Final = [AllowedGateway.model_validate(one) for one in GATEWAYS]
