"""What a plain scalar is: a string, or what kubectl makes of it.

kubectl reads YAML 1.1 with three differences that matter in a manifest: `y` and `n` are booleans, `1e3` and `08` are
numbers, and dates and base-60 numbers (12:30) stay strings. A name that is none of these here is a string there.
"""

from __future__ import annotations

import math
import re
from typing import Any

from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import BaseResolver

_TAG = "tag:yaml.org,2002:"
_LONGEST_SCALAR = 64
"""Characters; reading a base-60 number takes time with the square of its length."""

_PLAIN = {
    "bool": (r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    "int": (r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
    "merge": (r"<<", "<"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
}


class Resolver(BaseResolver):
    """Says which type a plain scalar has."""


for _name, (_pattern, _first) in _PLAIN.items():
    Resolver.add_implicit_resolver(_TAG + _name, re.compile(f"^({_pattern})$"), list(_first))


class Constructor(SafeConstructor):
    """Makes plain dicts, lists and scalars, and nothing of any other tag."""

    bool_values = SafeConstructor.bool_values | {"y": True, "n": False}

    def typed(self, node: Any) -> Any:
        """A boolean or a number, also one that a tag asks for (`!!int soon`). Raises ConstructorError."""
        kind, text = node.tag.removeprefix(_TAG), str(self.construct_scalar(node))
        if len(text) > _LONGEST_SCALAR:
            raise ConstructorError(None, None, f"{kind} of {len(text):,} characters", node.start_mark)
        try:
            made = _MAKE[kind](self, node)
        except (ValueError, ArithmeticError, LookupError) as error:
            raise ConstructorError(None, None, f"{text} is no {kind}", node.start_mark) from error
        return text if kind == "float" and math.isinf(made) and "inf" not in text.lower() else made  # beyond 1e308


_MAKE: dict[str, Any] = {
    "bool": SafeConstructor.construct_yaml_bool,
    "int": SafeConstructor.construct_yaml_int,
    "float": SafeConstructor.construct_yaml_float,
}
_add: Any = Constructor.add_constructor
for _kind in _MAKE:
    _add(_TAG + _kind, Constructor.typed)
for _kind in ("binary", "timestamp", "omap", "pairs", "set"):
    _add(_TAG + _kind, SafeConstructor.construct_undefined)
