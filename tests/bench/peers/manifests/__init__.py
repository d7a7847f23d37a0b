"""What is applied, as templates: `$name` is filled in, everything else stands as people would write it."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any

import yaml

HERE = Path(__file__).parent


def rendered(template: str, **values: object) -> list[dict[str, Any]]:
    """The objects of manifests/TEMPLATE.yaml. KeyError where a value is missing."""
    text = Template((HERE / f"{template}.yaml").read_text()).substitute(values)
    return [body for body in yaml.safe_load_all(text) if body]


def traefik_definitions() -> list[dict[str, Any]]:
    """CustomResourceDefinitions of Traefik's own kinds."""
    open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": open_schema}}
    return [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{each['plural']}.traefik.io"},
            "spec": {
                "group": "traefik.io",
                "scope": "Namespaced",
                "names": {
                    "kind": each["kind"],
                    "plural": each["plural"],
                    "singular": each["kind"].lower(),
                    "listKind": f"{each['kind']}List",
                },
                "versions": [version],
            },
        }
        for each in yaml.safe_load((HERE / "traefik-kinds.yaml").read_text())
    ]
