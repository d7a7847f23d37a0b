"""The report in a real Chromium: on a desk, on a phone, in the dark, by what a screen reader is told."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from modelrollout.cli.report.page.report import page
from tests.lab import Browser, Window
from tests.unit.cli.report.shown import facts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab
HOSTILE = '"><img src=http://127.0.0.1:9/x onerror=alert(1)><script>document.title="taken"</script>'
SCREENS = {
    "desk": (1280, False),
    "phone": (320, False),
    "phone-in-the-dark": (320, True),
    "desk-in-the-dark": (1280, True),
}
TITLE = "Figures: The candidate's weight in percent of requests"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(facts(), "0.1.0"))
    return path


@pytest.mark.parametrize("screen", SCREENS)
def test_it_loads_nothing_complains_of_nothing_and_fits_the_screen(
    browser: Browser, file: Path, screen: str, tmp_path: Path
):
    width, dark = SCREENS[screen]
    window = browser.open(file.as_uri(), width=width, dark=dark, offline=True)
    assert window.asked == [file.as_uri()]
    assert window.complaints == []
    assert not window.wider_than_screen
    back = window.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") is not dark
    drawn = window.page.locator("svg").first.bounding_box()
    assert drawn is not None
    assert 250 < drawn["width"] <= width
    window.shot(tmp_path / f"{screen}.png")
    unfolded(window)
    assert not window.wider_than_screen
    assert violations(window) == []


def unfolded(window: Window) -> None:
    """A click on everything that can be unfolded."""
    for summary in window.page.locator("summary").all():
        summary.click()
    assert window.page.locator("details:not([open])").count() == 0


def violations(window: Window) -> list[str]:
    """What axe-core finds that keeps people from reading it."""
    found = Axe().run(window.page).response["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]


def test_links_lead_to_their_sections_and_a_table_is_behind_each_plot(browser: Browser, file: Path):
    window = browser.open(file.as_uri())
    for link in window.page.locator("nav a").all():
        link.click()
        name = (link.get_attribute("href") or "").removeprefix("#")
        assert window.page.url.endswith(f"#{name}")
        assert window.page.locator(f"section#{name} h2").is_visible()
    table = window.page.get_by_role("table", name="The candidate's weight in percent of requests")
    assert not table.is_visible()
    window.page.get_by_text(TITLE).click()
    assert table.is_visible()
    assert "25 %" in table.inner_text()


def test_a_keyboard_gets_past_the_links_and_unfolds_what_is_folded(browser: Browser, file: Path):
    window = browser.open(file.as_uri())
    window.page.keyboard.press("Tab")
    assert window.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    window.page.keyboard.press("Enter")
    window.page.keyboard.press("Tab")
    assert window.page.evaluate("document.activeElement.tagName") == "SUMMARY"
    window.page.keyboard.press("Enter")
    assert window.page.locator("#now details").get_attribute("open") is not None


def test_what_hostile_names_would_do_is_not_done(browser: Browser, tmp_path: Path):
    path = tmp_path / "hostile.html"
    path.write_text(page(facts(text=HOSTILE), "0.1.0"))
    window = browser.open(path.as_uri())
    assert window.asked == [path.as_uri()]
    assert window.complaints == []
    assert "taken" not in window.page.title().partition("<script>")[0]
    assert HOSTILE in window.page.locator("h1").inner_text()


def test_even_markup_that_got_into_it_could_load_and_run_nothing(browser: Browser, file: Path, tmp_path: Path):
    """The policy alone, without the escaping."""
    hits: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_error(404)

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        injected = HOSTILE[2:].replace("127.0.0.1:9", f"127.0.0.1:{server.server_port}")
        path = tmp_path / "injected.html"
        path.write_text(file.read_text().replace("</main>", f"{injected}<p style='color: red' id=red>x</p></main>"))
        window = browser.open(path.as_uri())
        assert window.page.locator("img").count() == 1
        server.shutdown()
    assert hits == []
    assert window.page.title() != "taken"
    assert window.page.evaluate("getComputedStyle(document.getElementById('red')).color") != "rgb(255, 0, 0)"
    assert len([text for text in window.complaints if "Content Security Policy" in text]) >= 3
