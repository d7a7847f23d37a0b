"""A real Chromium without a screen, from Debian's package, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from playwright.sync_api import sync_playwright

from tests.lab.install.provision import provision

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import ConsoleMessage, Page

CHROMIUM = "chromium"
PATIENCE = 150_000
"""Milliseconds: a machine that runs other tests as well may take long to draw."""


@dataclass
class Window:
    """One page, with what it did: where it went, what it asked for, what it complained of."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    @property
    def wider_than_screen(self) -> bool:
        return bool(self.page.evaluate("document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth"))

    def console(self, message: ConsoleMessage) -> None:
        """What the browser says of this page: a refusal by its policy, for one."""
        if message.type == "error":
            self.complaints.append(message.text)

    def shot(self, file: Path, *, whole: bool = True) -> None:
        """A picture, for people to look at."""
        self.page.screenshot(path=str(file), full_page=whole)


class Browser:
    """Starts with `with`; ends with it, and so do its windows."""

    def __enter__(self) -> Self:
        if shutil.which(CHROMIUM) is None:
            provision()
        self._driver = sync_playwright().start()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        self._chromium = self._driver.chromium.launch(executable_path=shutil.which(CHROMIUM), args=sandbox)
        return self

    def __exit__(self, *_: object) -> None:
        self._chromium.close()
        self._driver.stop()

    def open(self, address: str, *, width: int = 1280, height: int = 900, dark: bool = False, **more: Any) -> Window:
        """A window of its own on this address, once it has loaded."""
        context = self._chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **more
        )
        context.set_default_timeout(PATIENCE)
        window = Window(context.new_page())
        page = window.page
        page.on("request", lambda request: window.asked.append(request.url))
        page.on("console", window.console)
        page.on("pageerror", lambda error: window.complaints.append(str(error)))
        page.on("load", lambda _: window.loads.append(page.url))
        page.goto(address)
        return window
