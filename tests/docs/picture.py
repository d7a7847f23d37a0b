"""docs/architecture.svg, drawn from the imports in the code: `python -m tests.docs.picture` writes it."""

from __future__ import annotations

from html import escape

from tests.docs.floor_plan import GROUND, HEIGHT, ROW, WIDTH, Box, Point, arrows_of, boxes_for, end_of, way
from tests.docs.import_graph import SHARED, rooms_and_imports, shared_modules
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "architecture.svg"
TITLE = "The rooms of the operator and what they import"
STYLE = """\
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 14px; }
.frame { fill: #f6f8fa; stroke: #8c959f; }
.box { fill: #ffffff; stroke: #59636e; }
.way { fill: none; stroke: #0969da; stroke-width: 1.5; marker-end: url(#tip); }
.tip { fill: #0969da; }
.paper { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .frame { fill: #161b22; stroke: #656c76; }
  .box { fill: #0d1117; stroke: #9198a1; }
  .way { stroke: #58a6ff; }
  .tip { fill: #58a6ff; }
  .paper { fill: #0d1117; }
}"""


def picture() -> str:
    """The SVG's text; the same code gives the same bytes."""
    rooms, imports = rooms_and_imports()
    boxes = boxes_for(rooms)
    arrows = arrows_of(imports)
    ground = {name: (_importers(name, rooms, imports),) for name in sorted(GROUND & rooms)}
    said = {SHARED: (*shared_modules(), *boxes[SHARED].lines)} | ground
    drawn = [_box(box, said.get(name, box.lines)) for name, box in sorted(boxes.items(), key=_frames_first)]
    drawn += [_arrow(way(arrow, boxes)) for arrow in arrows]
    spoken = "; ".join(f"{importer} imports {imported}" for importer, imported in arrows)
    grounds = "".join(f" {name}: {lines[0]}." for name, lines in ground.items())
    return "\n".join([*_head(f"{spoken}.{grounds}"), *drawn, "</svg>", ""])


def _importers(name: str, rooms: frozenset[str], imports: frozenset[tuple[str, str]]) -> str:
    """Which rooms import this one: all but a few, or a few, whichever is shorter to say."""
    parts = {room for room in rooms if not any(other.startswith(f"{room}/") for other in rooms)} - {name}
    some = {importer for importer, imported in imports if imported == name}
    others = parts - some - {room for room in GROUND if (name, room) in imports}
    if len(others) > len(some):
        return f"imported by {', '.join(sorted({end_of(room, name) for room in some}))}"
    named = ", ".join(sorted(room.rpartition("/")[2] for room in others))
    return "imported by all" + (f" but {named}" if named else "")


def _frames_first(item: tuple[str, Box]) -> tuple[bool, int, str]:
    name, box = item
    return not box.frame, name.count("/"), name


def _head(spoken: str) -> list[str]:
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    tip = '<path class="tip" d="M0,0 L9,4 L0,8 z"/>'
    area = 'markerWidth="9" markerHeight="8" refX="9" refY="4" orient="auto" markerUnits="userSpaceOnUse"'
    marker = f'<marker id="tip" {area}>{tip}</marker>'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">{TITLE}</title>',
        f'<desc id="desc">{escape(spoken)}</desc>',
        f"<style>\n{STYLE}\n</style>",
        f"<defs>{marker}</defs>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text x="20" y="36" class="title">{TITLE}</text>',
        '<text x="20" y="56">An arrow says: imports. Nothing is imported upwards; the linter holds the layers.</text>',
    ]


def _box(box: Box, lines: tuple[str, ...]) -> str:
    kind = "frame" if box.frame else "box"
    area = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6"'
    texts = [
        _text(box, 0, box.title, "title"),
        *(_text(box, row, line, "") for row, line in enumerate(lines, 1) if line),
    ]
    return f'<rect class="{kind}" {area}/>' + "".join(texts)


def _text(box: Box, row: int, text: str, kind: str) -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{box.x + 12}" y="{box.y + 20 + row * ROW}"{style}>{escape(text)}</text>'


def _arrow(points: tuple[Point, ...]) -> str:
    path = " L".join(f"{x},{y}" for x, y in points)
    return f'<path class="way" d="M{path}"/>'


if __name__ == "__main__":
    PAGE.write_text(picture())
