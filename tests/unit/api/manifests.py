"""One good manifest, and a way to write a variation of it."""

from __future__ import annotations

import copy
from typing import Any

GOOD: dict[str, Any] = {
    "apiVersion": "modelrollout.dev/v1alpha1",
    "kind": "ModelRollout",
    "metadata": {"name": "digits", "namespace": "vision"},
    "spec": {
        "model": {"name": "digits", "version": "2"},
        "serving": {"service": "digits-v{version}", "port": 8000},
        "traffic": {
            "gateway": {
                "name": "inference",
                "namespace": "infra",
                "sectionName": "web",
                "hostnames": ["digits.example.com"],
            },
            "testerHeader": "x-model-candidate",
        },
        "steps": [
            {"weight": 5, "hold": "10m"},
            {"weight": 25, "hold": "10m"},
            {"weight": 50, "hold": "10m", "approval": True},
        ],
        "bake": "15m",
        "gates": [
            {
                "name": "errors",
                "type": "ErrorRate",
                "max": "1%",
                "versusStable": {"ratio": 1.25, "plus": "0.1%"},
            },
            {"name": "latency", "type": "Latency", "max": "120ms", "versusStable": {"buckets": 1}},
            {"name": "dead-neurons", "type": "DeadNeurons", "profile": "Retrain"},
            {"name": "sparsity", "type": "ZeroRatio", "within": ["30%", "70%"], "required": False},
            {
                "name": "orders",
                "type": "Query",
                "query": 'sum(rate(orders_total{version="{{version}}"}[5m]))',
                "min": "10",
            },
        ],
        "analysis": {"prometheus": "default", "interval": "15s", "falseRollback": "5%"},
    },
}

ABSENT = object()


def manifest(path: str = "", value: Any = ABSENT) -> dict[str, Any]:
    """The good manifest with `value` at `path` below spec, such as ``steps.1.weight``; without it if ABSENT."""
    made = copy.deepcopy(GOOD)
    if path:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        node = made["spec"]
        for part in parents:
            node = node[part]
        if value is ABSENT:
            del node[last]
        else:
            node[last] = value
    return made
