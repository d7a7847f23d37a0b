"""docs/spec-reference.md, generated from the models: ``python -m modelrollout.api.reference`` prints it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from modelrollout.api.config import OperatorConfig
from modelrollout.api.fields import resolved
from modelrollout.api.gates import Gate
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status

_INTRO = """\
# ModelRollout reference

Generated from `operator/modelrollout/api` by `make docs`; edit the models, not this file.

Durations are strings such as `"30s"`, `"10m"` or `"1h30m"`. Shares are percentages as strings, such as `"1.25%"`.
Times are RFC 3339 in UTC. Check a manifest with `kubectl modelrollout lint FILE`; with `--config` it also knows
the operator's configuration.
"""
_GATES = """\
A named list; each gate has a `type`, which decides what else it takes. Where a gate has both an absolute limit and
`versusStable`, both must hold.
"""
_STATUS = "What the operator writes. `phase` is for people; tools read `conditions`.\n"
_CONFIG = "`config` in the chart's values; the file that the operator's `--config` names.\n"
_HEAD = "| field | type | default | meaning |\n|---|---|---|---|"
_MARKS = {"ms|s|m|h": "duration", "%$": "share", "eE": "number in quotes"}


def render() -> str:
    """The whole page."""
    parts = [_INTRO, "## spec\n", _table(Spec), "## spec.gates[]\n", _GATES]
    for gate in get_args(get_args(Gate)[0]):
        kind = get_args(gate.model_fields["type"].annotation)[0]
        parts += [f"### type: {kind}\n", f"{gate.__doc__}\n", _table(gate)]
    parts += ["## status\n", _STATUS, _table(Status), "## The operator's configuration\n", _CONFIG]
    return "\n".join([*parts, _table(OperatorConfig)])


def _table(model: type[BaseModel]) -> str:
    # Defaults are written as a manifest would write them in this mode only.
    root = model.model_json_schema(by_alias=True, mode="serialization")
    return "\n".join([_HEAD, *_rows(root, root, "")]) + "\n"


def _rows(root: dict[str, Any], node: dict[str, Any], path: str) -> Iterator[str]:
    needed = () if root["title"] == "Status" else node.get("required", ())
    for name, prop in node.get("properties", {}).items():
        child = resolved(root, prop)
        items = resolved(root, child.get("items", {}))
        meaning = prop.get("description") or child.get("description") or ""
        default = "required" if name in needed and "default" not in prop else _default(prop, child)
        yield f"| `{path}{name}` | {_type(root, child)} | {default} | {_escaped(meaning)} |"
        yield from _rows(root, child, f"{path}{name}.")
        yield from _rows(root, items, f"{path}{name}[].")


def _default(prop: dict[str, Any], child: dict[str, Any]) -> str:
    value = prop.get("default")
    if value in (None, [], "") or "properties" in child:
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _type(root: dict[str, Any], node: dict[str, Any]) -> str:
    choices = [node["const"]] if "const" in node else node.get("enum", [])
    if choices:
        return " \\| ".join(f"`{choice}`" for choice in choices)
    if node.get("type") == "array":
        items = resolved(root, node["items"])
        return f"list of {_type(root, items)}s" if items.get("type") == "string" else "list"
    if "additionalProperties" in node and "properties" not in node:
        return "map"
    if "minimum" in node and "maximum" in node:
        return f"{node['type']}, {node['minimum']:,} to {node['maximum']:,}"
    if node.get("format") == "date-time":
        return "time"
    return next((name for mark, name in _MARKS.items() if mark in node.get("pattern", "")), str(node.get("type")))


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    sys.stdout.write(render())
