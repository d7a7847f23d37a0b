"""A lowering of one route: tried again at once on anything that may pass, and never on an old reading alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers.reading import ObservedHTTPRoute
from modelrollout.ports import ApiReason, Conflict, NotFound, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.core.observation import ObservedRoute

LOWER_TIMEOUT = 2.0
LOWER_TRIES = 4
LONGEST_PAUSE = 0.5
"""Seconds; a lowering does not wait longer than this, whatever Retry-After says."""
_PASSING: tuple[ApiReason, ...] = ("ApiTimeout", "ApiUnreachable", "ApiThrottled", "ApiError", "ApiInvalid")
"""Failures that another try may fix; ApiInvalid is what a failed `test` looks like."""
Patch = list[dict[str, Any]]


class MovedError(Conflict):
    """Reading again changes nothing: the decision itself must be made again."""


async def lowered(
    api: Api, path: str, title: str, observed: ObservedRoute, patch_for: Callable[[dict[str, Any]], Patch]
) -> dict[str, Any]:
    """The route at `path` after `patch_for` of it was written; begins with the one that was observed.

    Raises Conflict where the decision must be made again, Unreachable("RouteMissing") when the route (`title`) is gone,
    Unreachable otherwise.
    """
    route: dict[str, Any] | None = observed.raw if isinstance(observed, ObservedHTTPRoute) else None
    for attempt in range(1, LOWER_TRIES + 1):
        try:
            return await _once(api, path, route, patch_for)
        except NotFound:
            raise Unreachable("RouteMissing", f"{title} is gone; nothing to lower") from None
        except (Conflict, Unreachable) as error:
            if attempt == LOWER_TRIES or not _may_pass(error):
                raise
            route = None
            await asyncio.sleep(min(getattr(error, "retry_after", None) or 0.0, LONGEST_PAUSE))
    raise AssertionError  # the last try returns or raises


async def _once(
    api: Api, path: str, known: dict[str, Any] | None, patch_for: Callable[[dict[str, Any]], Patch]
) -> dict[str, Any]:
    route = known if known is not None else await api.request("GET", path, timeout=LOWER_TIMEOUT)
    patch = patch_for(route)
    if not patch and known is not None:  # "nothing to lower" must not rest on an old reading
        route = await api.request("GET", path, timeout=LOWER_TIMEOUT)
        patch = patch_for(route)
    return await api.patch(path, patch, timeout=LOWER_TIMEOUT) if patch else route


def _may_pass(error: Conflict | Unreachable) -> bool:
    """Whether another try of a lowering may get through."""
    if isinstance(error, Unreachable):
        return error.reason in _PASSING
    return not isinstance(error, MovedError)
