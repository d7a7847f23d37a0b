"""HTTPRoutes as this operator writes them, and as a gateway's controller answers them."""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.routers.forms.httproute import route_spec
from modelrollout.adapters.routers.forms.marks import annotations_for
from modelrollout.api.spec import Spec
from modelrollout.core.observation import RoutePlan

SPEC = Spec.model_validate(
    {
        "model": {"name": "digits", "version": "2"},
        "serving": {"service": "digits-v{version}"},
        "traffic": {
            "gateway": {"name": "inference", "namespace": "infra", "hostnames": ["a.example.com"]},
            "testerHeader": "x-model-candidate",
        },
        "steps": [{"weight": 5, "hold": "10m"}],
    }
)


def route(plan: RoutePlan, **meta: Any) -> dict[str, Any]:
    notes = {k: v for k, v in annotations_for("ns", "digits", SPEC, plan).items() if v is not None}
    head = {"name": "digits", "namespace": "ns", "resourceVersion": "7", "generation": 3, "annotations": notes}
    return {"metadata": head | meta, "spec": route_spec("ns", SPEC, plan)}


def judged(*conditions: tuple[str, str, int], **ref: str) -> dict[str, Any]:
    parent = {"name": "inference", "namespace": "infra"} | ref
    conditions_now = [
        {"type": kind, "status": status, "observedGeneration": generation, "reason": "Why", "message": "so"}
        for kind, status, generation in conditions
    ]
    return route(RoutePlan("1")) | {"status": {"parents": [{"parentRef": parent, "conditions": conditions_now}]}}
