"""Elements of a page. Whatever text comes in is cleaned and bounded here, and escaped by the standard library."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias
from xml.etree import ElementTree as ET  # only what we have built ourselves is read by it

from modelrollout.api.borders.cleaning import clean
from modelrollout.api.timestamps import LAST, format_timestamp

Element: TypeAlias = "ET.Element[str]"
Child: TypeAlias = "str | Element | None"
LONGEST_TEXT = 4096
"""Characters of one piece of text; no sentence of the operator's comes near it."""


def el(tag: str, *children: Child, **attributes: str) -> Element:
    """An element. `class_` and `for_` lose their underscore, others become dashes; None children are left out."""
    named = {key.rstrip("_").replace("_", "-"): clean(value, LONGEST_TEXT) for key, value in attributes.items()}
    made = ET.Element(tag, named)
    for child in children:
        add(made, child)
    return made


def add(parent: Element, child: Child) -> None:
    """Append text or an element."""
    if child is None:
        return
    if not isinstance(child, str):
        parent.append(child)
        return
    text = clean(child, LONGEST_TEXT)
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def prose(tag: str, text: str, **attributes: str) -> Element:
    """A sentence in which what stands between backticks is to be typed."""
    made = el(tag, **attributes)
    for index, part in enumerate(clean(text, LONGEST_TEXT).split("`")):
        add(made, el("code", part) if index % 2 else part)
    return made


def html(root: Element) -> str:
    """As HTML."""
    return ET.tostring(root, encoding="unicode", method="html")


def moment(seconds: float) -> Element:
    """A time of day in UTC, for people and for programs."""
    at = datetime.fromtimestamp(min(max(seconds, 0.0), LAST), UTC)
    return el("time", f"{at:%Y-%m-%d %H:%M:%S} UTC", datetime=format_timestamp(seconds))


def clock(seconds: float) -> str:
    """The time of day alone, for axes and dense tables."""
    return f"{datetime.fromtimestamp(min(max(seconds, 0.0), LAST), UTC):%H:%M:%S}"


def table(caption: str, titles: Iterable[str], rows: Iterable[Iterable[Child]], *, scroll: bool = True) -> Element:
    """A table whose first column names the row; it scrolls by itself where the screen is narrow, by keyboard too."""
    head = el("thead", el("tr", *(el("th", title, scope="col") for title in titles)))
    body = el("tbody")
    for row in rows:
        first, *rest = row
        body.append(el("tr", el("th", first, scope="row"), *(el("td", cell) for cell in rest)))
    made = el("table", el("caption", caption), head, body)
    if not scroll:
        return made
    return el("div", made, class_="scroll", tabindex="0", role="group", aria_label=caption)


def section(name: str, title: str, *children: Child) -> Element:
    """A landmark with its heading."""
    return el("section", el("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title")


def details(summary: str, *children: Child) -> Element:
    """What is folded away until somebody asks."""
    return el("details", el("summary", summary), *children)
