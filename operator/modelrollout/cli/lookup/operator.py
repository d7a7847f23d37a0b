"""Which operator serves the cluster: its ConfigMap, found by the chart's label with the person's own rights.

Only the ConfigMap is read, never a Secret. Anybody may write one with that label in a namespace of their own, so what
is found is named wherever it is used, and several are a question for the person.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.borders.cleaning import LONGEST_SAID, clean, mapping, mappings
from modelrollout.api.config import OperatorConfig, parse_config
from modelrollout.api.problems import problems_of, summary
from modelrollout.cli.lookup.found import Installation, Unknown
from modelrollout.cli.yamldoc import Unreadable, documents
from modelrollout.ports import Conflict, Unreachable

LABEL = "app.kubernetes.io/name=modelrollout"
"""The chart writes it on everything of the operator's."""
KEY = "config.yaml"
USUAL = "modelrollout"
"""Namespace and release of the README's `helm install`: asked for by name where nothing may be listed."""
_MOST = "50"


async def find_operator(api: Api, namespace: str | None) -> Installation | Unknown:
    """The operator in `namespace`, or the only one in the cluster. Never raises."""
    try:
        found = await _config_maps(api, namespace)
    except (Conflict, Unreachable) as error:
        return Unknown(f"the operator's ConfigMap cannot be read: {error}")
    where = f'in namespace "{namespace}"' if namespace else "in the cluster"
    if not found:
        return Unknown(f"no ConfigMap with the label {LABEL} is {where}")
    if len(found) > 1:
        names = ", ".join(sorted(f"{one.namespace}/{one.name}" for one in found))
        return Unknown(f"{len(found)} operators are {where}: {clean(names, LONGEST_SAID)}")
    return found[0]


async def _config_maps(api: Api, namespace: str | None) -> list[Installation]:
    query = {"labelSelector": LABEL, "limit": _MOST}
    try:
        listed = mappings((await api.request("GET", path_of("v1", "configmaps", namespace), query=query)).get("items"))
    except Unreachable as error:
        if error.reason != "ApiForbidden":
            raise
        try:
            one = await api.get(path_of("v1", "configmaps", namespace or USUAL, USUAL))
        except Unreachable:
            raise error from None
        listed = [] if one is None else [one]
    return [_installation(one) for one in listed if KEY in mapping(one.get("data"))]


def _installation(found: dict[str, Any]) -> Installation:
    meta = mapping(found.get("metadata"))
    namespace, name = (clean(meta.get(key), LONGEST_SAID) for key in ("namespace", "name"))
    try:
        written = [one.data for one in documents(str(mapping(found.get("data"))[KEY]))]
        config = parse_config(written[0] if written else None)
    except ValidationError as error:
        return Installation(namespace, name, None, summary(problems_of(error, OperatorConfig, "")))
    except Unreadable as error:
        return Installation(namespace, name, None, f"{KEY}, line {error.place.line}, is not YAML: {error}")
    return Installation(namespace, name, config)
