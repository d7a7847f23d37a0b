"""The chart's values.schema.json with `config` as the models have it.

``python -m modelrollout.api.config.values_schema FILE`` rewrites it in place. Helm then refuses a configuration that
the operator would refuse, but for what no schema can say.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from modelrollout.api.config.operator_config import REMOVED, OperatorConfig

_BARE = frozenset({"title", "default"})


def with_config(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` (of the chart's values) with the schema of the operator's configuration in its place."""
    config = _bare(OperatorConfig.model_json_schema(by_alias=True, mode="validation"))
    defs = config.pop("$defs", {})
    config["properties"] |= {name: {"description": "Taken by older operators; unused."} for name in sorted(REMOVED)}
    properties = {**schema["properties"], "config": config}
    return {**schema, "properties": properties, "$defs": defs}


def render(path: Path) -> str:
    """The whole file as it should be."""
    return json.dumps(with_config(json.loads(path.read_text())), indent=2) + "\n"


def _bare(node: Any, *, names: bool = False) -> Any:
    """Without what Helm does not check; `names` where the keys are names of fields."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if names or key not in _BARE}
        return {key: _bare(value, names=key in {"properties", "$defs"} and not names) for key, value in kept.items()}
    return [_bare(one) for one in node] if isinstance(node, list) else node


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(render(file))
