"""A route whose protocol is no longer split: every rule of it leads to stable, and nothing else of it is touched."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers.forms.rules import STABLES, backend
from modelrollout.adapters.routers.reading import ObservedHTTPRoute, is_testers
from modelrollout.api.borders.cleaning import mapping, mappings
from modelrollout.core.observation import FULL_WEIGHT, ObservedRoute, RoutePlan

if TYPE_CHECKING:
    from modelrollout.adapters.routers.gateway_api import GatewayApiRouter
    from modelrollout.api.spec import Spec


async def bring_to_stable(
    router: GatewayApiRouter, key: tuple[str, str], spec: Spec, plan: RoutePlan, observed: ObservedRoute
) -> ObservedRoute:
    """The route with stable alone, written only where it is not so. Raises as GatewayApiRouter.apply."""
    only = RoutePlan(plan.stable, version_header=plan.version_header)
    assert isinstance(observed, ObservedHTTPRoute)
    served = {one.version for one in observed.backends}
    if served == {plan.stable} and observed.stable == plan.stable and not observed.testers:
        return observed
    return await router.write(*key, spec, only, observed, _to_stable(observed.raw, spec, only, router))


def _to_stable(raw: dict[str, Any], spec: Spec, plan: RoutePlan, router: GatewayApiRouter) -> dict[str, Any]:
    found = copy.deepcopy(mappings(mapping(raw.get("spec")).get("rules")))
    rules = [rule for rule in found if not is_testers(rule)]
    for rule in rules:
        weight = 1 if rule.get("name") == STABLES else FULL_WEIGHT
        rule["backendRefs"] = [backend(spec, plan, plan.stable, weight, router.form.protocol)]
    return {"rules": rules}
