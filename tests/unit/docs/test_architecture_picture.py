"""The picture in docs/architecture.md says what the code imports, and can be read."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest

from tests.docs.floor_plan import FIXED, Box, Point, arrows_of, boxes_for, way
from tests.docs.import_graph import SHARED, room_of, rooms_and_imports
from tests.docs.pages import ROOT
from tests.docs.picture import PAGE, picture

LETTER = 0.6
"""Width of an average letter in heights, rounded up."""


@pytest.fixture(scope="module")
def boxes() -> dict[str, Box]:
    return boxes_for(rooms_and_imports()[0])


def inside(point: Point, box: Box) -> bool:
    x, y = point
    return box.x < x < box.x + box.width and box.y < y < box.y + box.height


def overlap(one: Box, other: Box) -> bool:
    beside = one.x + one.width <= other.x or other.x + other.width <= one.x
    above = one.y + one.height <= other.y or other.y + other.height <= one.y
    return not (beside or above)


def along(points: tuple[Point, ...]) -> list[Point]:
    """Every point of a way that only goes straight across or straight down."""
    return [
        (x, y)
        for (x1, y1), (x2, y2) in pairwise(points)
        for x in range(min(x1, x2), max(x1, x2) + 1)
        for y in range(min(y1, y2), max(y1, y2) + 1)
    ]


def touches(point: Point, box: Box) -> bool:
    x, y = point
    return box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height and not inside(point, box)


@pytest.mark.slow
def test_the_picture_is_what_the_code_imports() -> None:
    assert PAGE.read_text() == picture(), "the imports have changed: run `make docs`"


def test_a_module_belongs_to_the_room_that_a_reader_would_look_in() -> None:
    names = ("core.rollout", "core.analysis", "core", "adapters", "adapters.routers")
    packages = frozenset(f"modelrollout.{name}" for name in names)
    assert room_of("modelrollout.core.rollout.checks", packages) == "core/rollout"
    assert room_of("modelrollout.core.analysis.metrics.dialects.traefik", packages) == "core/analysis/metrics"
    assert room_of("modelrollout.core.reasons", packages) == SHARED
    assert room_of("modelrollout.adapters.routers.lowering", packages) == "adapters/routers"
    assert room_of("modelrollout.adapters.files", packages) == "adapters"


def test_an_arrow_from_outside_ends_at_the_frame_and_the_ground_has_none() -> None:
    imports = frozenset(
        {("cli", "core/rollout"), ("cli", "core/analysis/gates"), ("cli", "api"), ("core", "core/rollout")}
    )
    assert arrows_of(imports) == [("cli", "core")]


def test_a_room_without_a_place_is_named() -> None:
    with pytest.raises(KeyError, match=r"no place for warden: add it to FIXED"):
        boxes_for(frozenset({"api", "warden"}))
    with pytest.raises(KeyError, match=r"no way from warden to core: add it to WAYS"):
        way(("warden", "core"), FIXED)


@pytest.mark.slow
def test_no_two_boxes_overlap(boxes: dict[str, Box]) -> None:
    rooms = [box for box in boxes.values() if not box.frame]
    assert not [(a.title, b.title) for a, b in combinations(rooms, 2) if overlap(a, b)]


@pytest.mark.slow
def test_every_arrow_joins_its_two_boxes_and_runs_through_no_other(boxes: dict[str, Box]) -> None:
    for arrow in arrows_of(rooms_and_imports()[1]):
        points = way(arrow, boxes)
        assert touches(points[0], boxes[arrow[0]]), arrow
        assert touches(points[-1], boxes[arrow[1]]), arrow
        through = [box.title for box in boxes.values() if not box.frame and any(inside(p, box) for p in along(points))]
        assert not through, arrow


@pytest.mark.slow
def test_no_text_leaves_its_box() -> None:
    root = ET.fromstring(picture())
    space = {"s": "http://www.w3.org/2000/svg"}
    shapes = [
        {key: int(r.attrib[key]) for key in ("x", "y", "width", "height")} for r in root.findall("s:rect[@x]", space)
    ]
    for text in root.findall("s:text", space)[2:]:
        x, y, size = int(text.attrib["x"]), int(text.attrib["y"]), 14 if "class" in text.attrib else 13
        width = len(text.text or "") * size * LETTER
        homes = [r for r in shapes if r["x"] < x < r["x"] + r["width"] and r["y"] < y < r["y"] + r["height"] - 4]
        assert homes, text.text
        assert x + width <= min(r["x"] + r["width"] for r in homes), text.text


def test_what_a_box_explains_is_in_its_room(boxes: dict[str, Box]) -> None:
    explained = [(room, line.partition(": ")[0]) for room, box in boxes.items() for line in box.lines if ": " in line]
    named = [(room, name) for room, name in explained if " " not in name]
    assert named, "the box of the state machine names its modules"
    folder = ROOT / "operator" / "modelrollout"
    assert not [name for room, name in named if not list((folder / room).glob(f"{name}*"))]


@pytest.mark.slow
def test_a_screen_reader_hears_every_arrow() -> None:
    root = ET.fromstring(picture())
    said = root.findtext("{http://www.w3.org/2000/svg}desc") or ""
    arrows = arrows_of(rooms_and_imports()[1])
    assert [f"{a} imports {b}" for a, b in arrows] == re.findall(r"[\w/]+ imports [\w/]+", said)
    assert root.attrib["aria-labelledby"] == "title desc"
