"""Which rooms of the operator import which, read from the code; a room is a package, or what lies loose in one."""

from __future__ import annotations

from typing import Final

import grimp

PACKAGE: Final = "modelrollout"
OPENED: Final = frozenset({"adapters", "core", "core/analysis"})
"""Packages that are drawn as a frame around the rooms inside."""
SHARED: Final = "core/shared"
"""The modules that lie directly in core: what both halves of it, and everybody else, call things."""


def room_of(module: str, packages: frozenset[str]) -> str:
    """The room that a dotted module name belongs to; "" for the top package itself."""
    parts = module.split(".")[1:]
    room = parts[0] if parts else ""
    for part in parts[1:]:
        if room not in OPENED:
            break
        room += f"/{part}"
    loose = room.count("/") == 1 and f"{PACKAGE}.{room.replace('/', '.')}" not in packages
    if loose and room.startswith("adapters/"):
        return "adapters"  # what several adapters share is the frame's
    return SHARED if loose and room.startswith("core/") else room


def rooms_and_imports() -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Every room, and every pair (importer, imported) of different rooms."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    packages = frozenset(module for module in graph.modules if graph.find_children(module))
    room = {module: room_of(module, packages) for module in graph.modules}
    pairs = {
        (room[module], room[imported])
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return frozenset(room.values()) - {""}, frozenset((a, b) for a, b in pairs if a != b and "" not in (a, b))


def shared_modules() -> tuple[str, ...]:
    """The names of the modules that lie directly in core."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    children = graph.find_children(f"{PACKAGE}.core")
    return tuple(sorted(child.rsplit(".", 1)[1] for child in children if not graph.find_children(child)))
