"""Where each room stands in the picture, what it says, and which way each arrow goes: laid out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.docs.import_graph import OPENED, SHARED

WIDTH, HEIGHT = 1000, 812
ROW: Final = 18
"""Height of a line of text."""
ADAPTERS_ABOVE: Final = (238, 128, 524, 64)
"""x, y, width and height shared by the adapters that rest on the Kubernetes one."""
GAP: Final = 12
GROUND: Final = frozenset({"api", "dialects", "fair"})
"""Rooms that many others import: a sentence in the box says which, instead of arrows."""

Point = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A rectangle with a title and lines of text; a frame has its rooms inside."""

    x: int
    y: int
    width: int
    height: int
    title: str
    lines: tuple[str, ...] = ()
    frame: bool = False


FIXED: Final[dict[str, Box]] = {
    "__main__": Box(800, 16, 180, 52, "__main__", ("the command line",)),
    "cli": Box(
        20,
        100,
        180,
        284,
        "cli",
        (
            "kubectl modelrollout:",
            "lint, status, watch,",
            "judge, and commands",
            "of people on call.",
            "",
            "It writes one thing,",
            "the annotation that",
            "carries a command.",
        ),
    ),
    "prober": Box(208, 296, 66, 42, "prober"),
    "runtime": Box(
        800,
        100,
        180,
        284,
        "runtime",
        (
            "the process: Lease,",
            "kopf handlers, and",
            "for each resource",
            "three pollers and the",
            "worker that runs",
            "the passes.",
            "",
            "All is put together",
            "in run.",
        ),
    ),
    "adapters": Box(224, 100, 552, 180, "adapters: a folder for each system outside", frame=True),
    "adapters/webhooks": Box(238, 216, 122, 50, "webhooks", ("signed POSTs",)),
    "adapters/kubernetes": Box(372, 216, 390, 50, "kubernetes", ("client, resources, Events, the server's time",)),
    "ports": Box(310, 330, 380, 54, "ports", ("what runtime needs from adapters, as Protocols",)),
    "core": Box(20, 424, 960, 300, "core: pure decisions, no I/O, no clock, no logging", frame=True),
    "core/rollout": Box(
        36,
        456,
        260,
        252,
        "rollout",
        (
            "the state machine:",
            "spec, status, observation",
            "and time become a Decision.",
            "",
            "phases: the transition table",
            "checks: what decides a pass",
            "routing: the route writes",
            "transitions: the new status",
            "",
            "Imports nothing of analysis.",
        ),
    ),
    SHARED: Box(
        340, 456, 176, 252, "the values shared", ("", "All that the two", "halves have in", "common, besides api.")
    ),
    "core/analysis": Box(560, 448, 408, 264, "analysis", frame=True),
    "core/analysis/gates": Box(576, 476, 376, 52, "gates", ("a file for each kind: ticks in, verdict out",)),
    "core/analysis/metrics": Box(576, 556, 210, 70, "metrics", ("PromQL, samples, counts", "for each closed tick")),
    "core/analysis/stats": Box(576, 652, 376, 50, "stats", ("evidence, limits, odds; numpy alone",)),
    "core/analysis/backtest": Box(826, 556, 126, 70, "backtest", ("past ticks,", "judged again")),
    "api": Box(20, 744, 411, 54, "api: resource and configuration as typed models"),
    "fair": Box(441, 744, 240, 54, "fair: whose turn"),
    "dialects": Box(691, 744, 289, 54, "dialects: metrics of gateways"),
}

WAYS: Final[dict[tuple[str, str], tuple[Point, ...]]] = {
    ("__main__", "runtime"): ((890, 68), (890, 100)),
    ("__main__", "ports"): ((800, 42), (788, 42), (788, 370), (690, 370)),
    ("cli", "adapters"): ((200, 190), (224, 190)),
    ("cli", "ports"): ((200, 357), (310, 357)),
    ("cli", "core"): ((110, 384), (110, 424)),
    ("prober", "adapters"): ((250, 296), (250, 280)),
    ("prober", "ports"): ((274, 334), (310, 334)),
    ("prober", "core"): ((240, 338), (240, 424)),
    ("runtime", "adapters"): ((800, 190), (776, 190)),
    ("runtime", "ports"): ((800, 345), (690, 345)),
    ("runtime", "core"): ((890, 384), (890, 424)),
    ("adapters", "ports"): ((500, 280), (500, 330)),
    ("adapters", "core"): ((284, 280), (284, 424)),
    ("adapters/notifications", "adapters/webhooks"): ((280, 192), (280, 216)),
    ("adapters/notifications", "adapters/kubernetes"): ((340, 192), (340, 204), (390, 204), (390, 216)),
    ("ports", "core"): ((500, 384), (500, 424)),
    ("core/rollout", SHARED): ((296, 582), (340, 582)),
    ("core/analysis/gates", SHARED): ((576, 502), (516, 502)),
    ("core/analysis/metrics", SHARED): ((576, 591), (516, 591)),
    ("core/analysis/gates", "core/analysis/metrics"): ((681, 528), (681, 556)),
    ("core/analysis/gates", "core/analysis/stats"): ((806, 528), (806, 652)),
    ("core/analysis/metrics", "core/analysis/stats"): ((681, 626), (681, 652)),
    ("core/analysis/backtest", "core/analysis/stats"): ((889, 626), (889, 652)),
}

SAYS: Final[dict[str, tuple[str, ...]]] = {
    "adapters/notifications": ("for people",),
    "adapters/prometheus": ("raw samples",),
    "adapters/routers": ("the split",),
    "adapters/triton": ("readiness",),
}


def adapters_above(rooms: frozenset[str]) -> dict[str, Box]:
    """A box for every other adapter, side by side above the Kubernetes one."""
    names = sorted(room for room in rooms if room.startswith("adapters/") and room not in FIXED)
    x, y, width, height = ADAPTERS_ABOVE
    each = (width - GAP * (len(names) - 1)) // max(len(names), 1)
    return {
        name: Box(x + index * (each + GAP), y, each, height, name.split("/")[1], SAYS.get(name, ()))
        for index, name in enumerate(names)
    }


def boxes_for(rooms: frozenset[str]) -> dict[str, Box]:
    """The box of every room. Raises KeyError for a room that has no place."""
    above = adapters_above(rooms)
    missing = sorted(rooms - FIXED.keys() - above.keys())
    if missing:
        raise KeyError(f"no place for {', '.join(missing)}: add it to FIXED in tests/docs/floor_plan.py")
    return {name: box for name, box in (FIXED | above).items() if name in rooms}


def way(arrow: tuple[str, str], boxes: dict[str, Box]) -> tuple[Point, ...]:
    """The points of an arrow. Raises KeyError for one that nobody has laid out."""
    importer, imported = arrow
    if arrow not in WAYS and imported == "adapters/kubernetes" and importer.startswith("adapters/"):
        box, below = boxes[importer], boxes[imported]
        middle = box.x + box.width // 2
        return (middle, box.y + box.height), (middle, below.y)
    if arrow not in WAYS:
        raise KeyError(f"no way from {importer} to {imported}: add it to WAYS in tests/docs/floor_plan.py")
    return WAYS[arrow]


def end_of(room: str, other: str) -> str:
    """What an arrow touches: the room beside a neighbour in the same frame, the whole frame from outside."""
    frame = room.partition("/")[0]
    return frame if frame in OPENED and frame != other.partition("/")[0] else room


def arrows_of(imports: frozenset[tuple[str, str]]) -> list[tuple[str, str]]:
    """The arrows to draw: between frames from outside, between rooms inside; none to the ground."""
    ends = {(end_of(a, b), end_of(b, a)) for a, b in imports if b not in GROUND}
    return sorted((a, b) for a, b in ends if not _is_inside(a, b) and not _is_inside(b, a))


def _is_inside(room: str, other: str) -> bool:
    return other in OPENED and room.startswith(f"{other}/")
