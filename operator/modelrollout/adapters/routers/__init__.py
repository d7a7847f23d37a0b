"""One registry of routers: whatever is in it passes tests/contract; nobody else asks which one it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelrollout.adapters.routers.gateway_api import GatewayApiRouter

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.ports import Router

ROUTERS: dict[str, Callable[..., Router]] = {"gateway-api": GatewayApiRouter}


def router_for(kind: str, api: Api, *, epoch: str = "") -> Router:
    """The router of that name. Raises ValueError naming those there are."""
    if kind not in ROUTERS:
        raise ValueError(f"router: {kind!r} is not known; choose one of {', '.join(sorted(ROUTERS))}")
    return ROUTERS[kind](api, epoch=epoch)
