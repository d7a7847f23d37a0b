"""Plots by Matplotlib as SVG without a colour of their own: classes give it, so that a page can be light or dark.

Nothing from outside is handed to Matplotlib but numbers: names stand in the page's own headings. Without Matplotlib
(the extra `report`) there are no plots, and the tables say the same.
"""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree as ET  # what it reads is Matplotlib's, made here

from modelrollout.cli.report.page.elements import Element, add, clock, el

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Role = Literal["stable", "candidate", "limit"]
_WIDTH, _HEIGHT, _DPI = 4.3, 2.4, 72
"""Inches of 72 units: on a phone a unit is about a pixel, so 11 units of text can be read."""
_FONT = 11
_COLOURS: dict[str, str] = {"ink": "#000001", "stable": "#000002", "candidate": "#000003", "limit": "#000004"}
_ROLES = {colour: role for role, colour in _COLOURS.items()}
_STYLES: dict[str, dict[str, Any]] = {
    "stable": {"linewidth": 1.4},
    "candidate": {"linewidth": 2.4},
    "limit": {"linewidth": 1.4, "linestyle": "--"},
}
_REMEMBERED = 256
"""Drawings, of some 10 kB each."""
_SVG = "{http://www.w3.org/2000/svg}"
_REFERENCE = re.compile(r"(url\(#|^#)")
_MOST_TICKS, _FEWEST, _MANY = 4, 0.001, 1e6


@dataclass(frozen=True)
class Line:
    """`points` are (time or place, value), by time; `steps` holds each value until the next."""

    role: Role
    points: tuple[tuple[float, float], ...]
    steps: bool = False


def figure(name: str, title: str, plot: Element | None, behind: Element, roles: Sequence[str] = ()) -> Element:
    """A plot with what it says in words, what its lines are, and the table that it was drawn from."""
    legend = el("ul", *(el("li", el("span", "", class_=f"key key-{role}"), role) for role in roles), class_="legend")
    caption = el("figcaption", title)
    drawn = el("div", plot, class_="plot") if plot is not None else el("p", "No plot: the figures are in the table.")
    table = el("details", el("summary", f"Figures: {title}"), behind)
    return el("figure", caption, legend if roles and plot is not None else None, drawn, table, id=name)


def time_plot(name: str, alt: str, lines: Sequence[Line], *, log: bool = False, unit: str = "") -> Element | None:
    """Values over time; None where there is nothing to draw or no Matplotlib."""
    kept = tuple(Line(one.role, _finite(one.points, log=log), one.steps) for one in lines)
    return _over_time(name, alt, kept, log, unit) if any(one.points for one in kept) else None


@functools.lru_cache(_REMEMBERED)
def _over_time(name: str, alt: str, kept: tuple[Line, ...], log: bool, unit: str) -> Element | None:
    """Remembered, as are bars: on the live page most plots are the same as two seconds ago."""

    def draw(axes: Axes) -> None:
        for one in kept:
            if one.points:
                style = _STYLES[one.role] | ({"drawstyle": "steps-post"} if one.steps else {})
                axes.plot(*zip(*one.points, strict=True), color=_COLOURS[one.role], **style)
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: ratio(value))
            axes.yaxis.set_minor_formatter(lambda *_: "")
        times = [at for one in kept for at, _ in one.points]
        first, last = min(times), max(times)
        marks = (
            [first + (last - first) * k / (_MOST_TICKS - 1) for k in range(_MOST_TICKS)] if last > first else [first]
        )
        axes.set_xticks(marks, [clock(at) for at in marks])
        axes.set_ylabel(unit)

    return _drawn(name, alt, draw)


def ratio(odds: float) -> str:
    """Odds as people say them: 100:1, 1:10."""
    return f"{odds:,.0f}:1" if odds >= 1 else f"1:{1 / odds:,.0f}"


def bar_plot(
    name: str, alt: str, edges: Sequence[str], shares: Sequence[tuple[str, Sequence[float]]]
) -> Element | None:
    """Shares in percent by bucket, of both versions side by side."""
    kept = tuple((role, tuple(values)) for role, values in shares)
    return _bars(name, alt, tuple(edges), kept) if edges and kept else None


@functools.lru_cache(_REMEMBERED)
def _bars(
    name: str, alt: str, edges: tuple[str, ...], shares: tuple[tuple[str, tuple[float, ...]], ...]
) -> Element | None:
    def draw(axes: Axes) -> None:
        wide = 0.8 / len(shares)
        for index, (role, values) in enumerate(shares):
            places = [place + (index - (len(shares) - 1) / 2) * wide for place in range(len(values))]
            axes.bar(places, values, wide, color=_COLOURS[role])
        every = max(1, math.ceil(len(edges) / 6))
        axes.set_xticks(range(0, len(edges), every), edges[::every])
        axes.set_ylabel("%")

    return _drawn(name, alt, draw)


def _finite(points: Sequence[tuple[float, float]], *, log: bool) -> tuple[tuple[float, float], ...]:
    found = tuple((at, value) for at, value in points if math.isfinite(at) and math.isfinite(value))
    return tuple((at, min(max(value, _FEWEST), _MANY)) for at, value in found) if log else found


def _drawn(name: str, alt: str, draw: Any) -> Element | None:
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and half a second
        from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        return None
    ink = _COLOURS["ink"]
    sides: dict[Any, Any] = {
        "axes.edgecolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.labelcolor": ink,
        "text.color": ink,
    }
    look: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "modelrollout",
        "font.size": _FONT,
        "axes.spines.top": False,
    }
    with mpl.rc_context({**sides, **look, "axes.spines.right": False, "text.parse_math": False}):
        made = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, layout="constrained")
        FigureCanvasSVG(made)
        axes = made.add_subplot()
        draw(axes)
        axes.grid(visible=True, axis="y", color=ink, alpha=0.2, linewidth=0.6)
        out = io.BytesIO()
        made.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None})
    return _plain(ET.fromstring(out.getvalue()), name, alt)  # noqa: S314 - written by Matplotlib a line above


def _plain(drawn: Element, name: str, alt: str) -> Element:
    """The drawing without namespaces, styles and colours: a picture with a text, each id its own."""
    made = el("svg", role="img", aria_label=alt, viewBox=drawn.get("viewBox", ""), focusable="false")
    for child in drawn:
        if child.tag != f"{_SVG}metadata":
            _copy(child, made, name)
    return made


def _copy(node: Element, parent: Element, name: str) -> None:
    tag = node.tag.removeprefix(_SVG)
    if tag in {"metadata", "style"}:
        return
    made = ET.SubElement(parent, tag)
    classes = []
    for key, value in _attributes(node):
        if key in {"fill", "stroke"} and value.lower() in _ROLES:
            classes.append(f"{key}-{_ROLES[value.lower()]}")
        elif key == "id":
            made.set(key, f"{name}-{value}")
        else:
            made.set(key, _REFERENCE.sub(rf"\g<1>{name}-", value))
    if tag == "text":
        classes.append("fill-ink")
    if classes:
        made.set("class", " ".join(dict.fromkeys(classes)))
    add(made, (node.text or "").strip())
    for child in node:
        _copy(child, made, name)


def _attributes(node: Element) -> list[tuple[str, str]]:
    """Attributes and what stands in `style`, which a page's policy would not let through."""
    found = [(key.rpartition("}")[2], value) for key, value in node.items() if key != "style"]
    for part in (node.get("style") or "").split(";"):
        key, _, value = part.partition(":")
        if value:
            found += _font(value.strip()) if key.strip() == "font" else [(key.strip(), value.strip())]
    return found


def _font(value: str) -> list[tuple[str, str]]:
    """The size alone: the family is the page's."""
    size = re.search(r"([0-9.]+)px", value)
    return [("font-size", size[1])] if size else []
