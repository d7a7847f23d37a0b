"""A package imports its public names when they are first used; its `if TYPE_CHECKING:` block is the one list of them.

So mypy and the running program read the same lines, and `from tests.lab import Fault` costs what Fault costs.
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def public(file: str) -> dict[str, str]:
    """Name to module, of every import in the file's `if TYPE_CHECKING:` block."""
    blocks = [
        node
        for node in ast.parse(Path(file).read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def imports(package: str, file: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose `__init__.py` is `file`."""
    names = public(file)

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"{package} has no public name {name!r}; it has {', '.join(sorted(names))}")
        found = getattr(import_module(names[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return find
