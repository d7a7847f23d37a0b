"""The frame of a page: what it may load (nothing), its style, landmarks, and the way to each section."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources

from modelrollout.cli.report.page.elements import Element, el, html

_ROOT = __name__.rpartition(".")[0]


@functools.cache
def text_of(name: str) -> str:
    """A file of this folder: style.css or live.js."""
    return (resources.files(_ROOT) / name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """As a policy names what it lets through."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(*, live: bool = False) -> str:
    """Only our own style, by its digest; and, of the live page, its script and its own server."""
    more = f"; script-src {digest(text_of('live.js'))}; connect-src 'self'" if live else ""
    style = digest(text_of("style.css"))
    return f"default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'{more}"


def document(
    title: str, header: Sequence[Element], sections: Sequence[Element], footer: str, *, live: bool = False
) -> str:
    """One HTML file. `sections` come from elements.section()."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy(live=live)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        _raw("style", text_of("style.css")),
    )
    body = el(
        "body",
        el("a", "Skip to the content", href="#content", class_="skip"),
        el("header", *header),
        el("nav", el("ul", *map(_link, sections)), aria_label="Sections"),
        el("main", *sections, id="content"),
        el("footer", el("p", footer)),
        _raw("script", text_of("live.js")) if live else None,
    )
    return f"<!DOCTYPE html>\n{html(el('html', head, body, lang='en'))}\n"


def _link(section: Element) -> Element:
    heading = section.find("h2")
    return el("li", el("a", (heading.text or "") if heading is not None else "", href=f"#{section.get('id')}"))


def _raw(tag: str, ours: str) -> Element:
    """Style and script are not escaped in HTML: only files of this folder may stand there."""
    made = el(tag)
    made.text = ours
    return made
