"""The runbooks: one section a reason, alert or situation, in the Markdown pages beside this file.

`kubectl modelrollout explain` prints them, and `make docs` copies the pages to docs/runbooks.
"""

from __future__ import annotations

import functools
import re
from importlib import resources

PAGES = ("progress", "held", "route", "gates", "store", "operator", "alerts", "situations")
"""In the order of the index; each is PAGE.md."""
_SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def page(name: str) -> str:
    """The whole page, as Markdown."""
    return (resources.files(__name__) / f"{name}.md").read_text(encoding="utf-8")


@functools.cache
def sections() -> dict[str, tuple[str, str]]:
    """What each says, by its name: the page that it stands on, and its text as Markdown."""
    return {title: (name, text.strip()) for name in PAGES for title, text in _SECTION.findall(page(name))}


def spoken(name: str) -> list[str]:
    """The lines of one section for a terminal. KeyError for what has none."""
    return [_LINK.sub(r"\1", line) for line in sections()[name][1].splitlines()]
