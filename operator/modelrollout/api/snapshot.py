"""The definition of post-mortems; ``python -m modelrollout.api.snapshot`` prints it. It has data as a ConfigMap has."""

from __future__ import annotations

import sys
from typing import Any

import yaml

from modelrollout.api.base import API_VERSION, GROUP

SNAPSHOT_KIND = "ModelRolloutSnapshot"
SNAPSHOT_PLURAL = "modelrolloutsnapshots"


def snapshot_crd() -> dict[str, Any]:
    """The whole CustomResourceDefinition, as the API server takes it."""
    data = {
        "type": "object",
        "description": "snapshot.json: both versions' counts by layer, over the last 15 minutes of the rollout.",
        "additionalProperties": {"type": "string"},
    }
    schema = {
        "type": "object",
        "description": "The distributions behind a promotion or a rollback; its rollout names it in status.history.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "data": data,
        },
    }
    columns = [
        {"name": "Rollout", "type": "string", "jsonPath": ".metadata.ownerReferences[0].name"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    version = {
        "name": API_VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"kind": SNAPSHOT_KIND, "listKind": f"{SNAPSHOT_KIND}List", "plural": SNAPSHOT_PLURAL}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # Helm must never delete the definition: every post-mortem would go with it.
        "metadata": {"name": f"{SNAPSHOT_PLURAL}.{GROUP}", "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {
            "group": GROUP,
            "names": {**names, "singular": SNAPSHOT_KIND.lower(), "shortNames": ["mrs"]},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def render() -> str:
    """The YAML of crds/modelrolloutsnapshot.yaml."""
    header = "# Generated from operator/modelrollout/api by `make crds`; edit the code, not this file.\n"
    return header + yaml.safe_dump(snapshot_crd(), sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(render())
