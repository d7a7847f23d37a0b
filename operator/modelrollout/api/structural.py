"""Pydantic's JSON schema made structural: no references, no unions, a type and a bound everywhere.

The rules of structural schemas are those of apiextensions.k8s.io/v1. Three choices are ours. A tagged union
of gates becomes one object with the fields of all, since a structural schema may not choose between objects;
which field belongs to which type is checked by the models. No defaults are stored in spec, so that they have
one home. Status carries no enums and no required fields: an operator newer than the CRD must still be able to
write it.
"""

from __future__ import annotations

from typing import Any

from modelrollout.api.base import LONGEST_STRING

Schema = dict[str, Any]

_KEPT = ("minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "maxProperties", "format")
_MOST_ITEMS = 64


def structural(root: Schema, *, strict: bool = True) -> Schema:
    """The structural form of a pydantic schema; `strict=False` drops enums and required fields."""
    return _convert(root, root, strict=strict)


def _convert(root: Schema, node: Schema, *, strict: bool) -> Schema:
    description = node.get("description")
    node = _resolve(root, node)
    if "oneOf" in node:
        schema = _flatten([_convert(root, option, strict=strict) for option in node["oneOf"]])
    else:
        schema = _plain(root, node, strict=strict)
    description = description or node.get("description")
    return {"description": _sentence(description), **schema} if description else schema


def _resolve(root: Schema, node: Schema) -> Schema:
    while True:
        options = [option for option in node.get("anyOf", []) if option.get("type") != "null"]
        if "anyOf" in node:
            (node,) = options  # optional fields only: any other union has no structural form
        elif "$ref" in node:
            node = root["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        else:
            return node


def _plain(root: Schema, node: Schema, *, strict: bool) -> Schema:
    schema: Schema = {"type": node["type"], **{key: node[key] for key in _KEPT if key in node}}
    choices = [node["const"]] if "const" in node else node.get("enum")
    if choices and strict:
        schema["enum"] = list(choices)
    elif node["type"] == "string":
        schema.setdefault("maxLength", LONGEST_STRING)
    if node["type"] == "array":
        schema.setdefault("maxItems", _MOST_ITEMS)
        schema["items"] = _convert(root, node["items"], strict=strict)
    if node["type"] == "object" and "properties" not in node:
        schema["additionalProperties"] = _convert(root, node["additionalProperties"], strict=strict)
    elif node["type"] == "object":
        children = node["properties"].items()
        schema["properties"] = {name: _convert(root, child, strict=strict) for name, child in children}
        if strict and node.get("required"):
            schema["required"] = list(node["required"])
    return schema


def _flatten(options: list[Schema]) -> Schema:
    """One object that takes what any of `options` takes; required is what all of them require."""
    merged = options[0]
    for option in options[1:]:
        merged = _merge(merged, option)
    return merged


def _merge(left: Schema, right: Schema) -> Schema:
    if left["type"] != right["type"]:
        raise TypeError(f"no structural form for {left['type']} or {right['type']}")
    schema: Schema = {"type": left["type"]}
    if left.get("description") == right.get("description") and "description" in left:
        schema["description"] = left["description"]
    if "enum" in left and "enum" in right:
        schema["enum"] = [*left["enum"], *(c for c in right["enum"] if c not in left["enum"])]
    if "pattern" in left and "pattern" in right:
        patterns = dict.fromkeys((*left["pattern"].split("|^"), *right["pattern"].split("|^")))
        schema["pattern"] = "|".join(p if p.startswith("^") else f"^{p}" for p in patterns)
    for key, widest in (
        ("maxLength", max),
        ("maxItems", max),
        ("maximum", max),
        ("minimum", min),
        ("minItems", min),
    ):
        if key in left and key in right:
            schema[key] = widest(left[key], right[key])
    if "items" in left:
        schema["items"] = _merge(left["items"], right["items"])
    if "properties" in left:
        schema["properties"] = _merge_fields(left["properties"], right["properties"])
        schema["required"] = [f for f in left.get("required", []) if f in right.get("required", [])]
    return {key: value for key, value in schema.items() if value != []}


def _merge_fields(left: Schema, right: Schema) -> Schema:
    shared = {name: _merge(left[name], right[name]) for name in left if name in right}
    return {**left, **right, **shared}


def _sentence(text: str) -> str:
    """A docstring as one line with the capital letter and full stop of a sentence."""
    line = " ".join(text.split())
    return line[:1].upper() + line[1:] + ("" if line.endswith((".", "?", "!")) else ".")
