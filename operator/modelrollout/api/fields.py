"""Which fields a model has at a location, read from its JSON schema, so that suggestions never go stale."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from modelrollout.api.gates import Gate

if TYPE_CHECKING:
    from pydantic import BaseModel

GATE_TYPES: tuple[str, ...] = tuple(
    get_args(member.model_fields["type"].annotation)[0] for member in get_args(get_args(Gate)[0])
)


def without_tags(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A pydantic location without the gate types that a discriminated union puts behind a list index."""
    return tuple(
        part for index, part in enumerate(loc) if not (part in GATE_TYPES and index and isinstance(loc[index - 1], int))
    )


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def known_fields(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """Names in camelCase of the fields at `loc` (pydantic's spelling, gate types included); [] where none."""
    root = _schema(model)
    node = root
    for part in loc:
        node = _step(root, resolved(root, node), part)
    return list(resolved(root, node).get("properties", {}))


def _step(root: dict[str, Any], node: dict[str, Any], part: str | int) -> dict[str, Any]:
    if isinstance(part, int):
        return dict(node.get("items", {}))
    mapping = node.get("discriminator", {}).get("mapping", {})
    if part in mapping:
        return dict(root["$defs"][mapping[part].rsplit("/", 1)[-1]])
    return dict(node.get("properties", {}).get(part, {}))


def resolved(root: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The node itself behind references and optionality."""
    for option in node.get("anyOf", []):
        if option.get("type") != "null":
            return resolved(root, option)
    if "$ref" in node:
        return resolved(root, root["$defs"][node["$ref"].rsplit("/", 1)[-1]])
    return node
