"""The live page and the report of a real rollout, in a real Chromium, through a person's own kubeconfig."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests import ROOT
from tests.e2e.support.doctors import GATES, started
from tests.e2e.support.hands import answer, ask, kubectl
from tests.lab import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.live_rollout import LiveRollout
    from tests.e2e.support.rollouts import Rollouts

NOBODY = "http://127.0.0.1:9"


@contextmanager
def dashboard(live: LiveRollout) -> Iterator[str]:
    """`kubectl modelrollout dashboard`, ended by Ctrl-C; gives the address that it prints."""
    env = os.environ | {"KUBECONFIG": str(live.member.site.kubeconfig), "PYTHONPATH": str(ROOT / "operator")}
    namespace = live.scenario.namespace
    words = ["dashboard", "-n", namespace, "--operator-namespace", namespace]
    command = [sys.executable, "-u", "-m", "modelrollout.cli.main", *words]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+/[-\w]{32}/", process.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


@pytest.mark.long
@pytest.mark.timeout(600)  # seconds; minutes on a machine that has other work
def test_the_live_page_follows_a_rollout_and_the_report_keeps_it(rollouts: Rollouts, tmp_path: Path):
    live = started(rollouts)
    live.version(2)
    live.wait_weight(2, 30)
    with dashboard(live) as address, Browser() as browser:
        window = browser.open(address)
        page = window.page
        page.get_by_role("link", name=live.name).click()
        page.get_by_text("30 % desired, 30 % on the route").wait_for()
        page.get_by_role("heading", name="accuracy").wait_for()
        page.locator("#gates svg").first.wait_for()
        page.locator("#layers svg").first.wait_for()
        window.shot(tmp_path / "live.png", whole=False)
        page.get_by_text("Figures: The candidate's weight").click()
        loads = len(window.loads)
        asked = ask(live, "abort", version=2)
        assert answer(live, asked) == "applied"
        page.get_by_text("Ended as").wait_for()
        page.locator("header").get_by_text("Aborted").first.wait_for()
        assert page.locator("#weights details").get_attribute("open") is not None
        assert len(window.loads) == loads, "the page was loaded again"
        assert window.complaints == []
        assert all(url.startswith(address) for url in window.asked)
        again = requests.get(address, headers={"Host": "evil.example.com"}, timeout=10)
        assert again.status_code == 421
    live.wait("what was kept is linked", lambda s: s["history"][-1].get("snapshot"), 40)
    report_says_what_happened(live, tmp_path)
    tensorboard_has_both_versions(live, tmp_path / "runs")


def report_says_what_happened(live: LiveRollout, folder: Path) -> None:
    """With Prometheus, and without."""
    whole, alone = folder / "whole.html", folder / "alone.html"
    own = ("--operator-namespace", live.scenario.namespace)
    for path, more in ((whole, own), (alone, ("--prometheus", NOBODY))):
        ran = kubectl(live, "report", live.name, "-o", str(path), *more)
        assert ran.returncode == 0, ran.stderr
    with Browser() as browser:
        page = browser.open(whole.as_uri()).page
        assert page.locator("#missing").count() == 0
        assert {gate["name"] for gate in GATES} <= set(page.locator("#gates h3").all_inner_texts())
        assert page.locator("#weights svg").get_attribute("aria-label") is not None
        assert "30 % from" in str(page.locator("#weights svg").get_attribute("aria-label"))
        assert "abort" in page.locator("#happened").inner_text()
        assert page.locator("#layers svg").count() == 2
        page = browser.open(alone.as_uri()).page
        assert "PrometheusUnreachable" in page.locator("#missing").inner_text()
        assert page.locator("#weights svg").count() == 1, "what was kept says so"
        assert "Aborted" in page.locator("#history").inner_text()
        assert page.locator("#layers svg").count() == 2


def tensorboard_has_both_versions(live: LiveRollout, folder: Path) -> None:
    """Slice by slice from Prometheus; where it is gone, the end alone, from the snapshot."""
    for more, least in ((("--operator-namespace", live.scenario.namespace), 3), (("--prometheus", NOBODY), 1)):
        ran = kubectl(live, "report", live.name, "--tensorboard", str(folder / str(least)), *more)
        assert ran.returncode == 0, ran.stderr
        for version in ("1", "2"):
            found = EventAccumulator(str(folder / str(least) / version), {"histograms": 0}).Reload()
            layers = [tag.partition("/")[2] for tag in found.Tags()["histograms"]]
            assert len(layers) == 2
            assert len(found.Histograms(f"log2_magnitude/{layers[0]}")) >= least
            assert 0 < found.Scalars(f"zero/{layers[0]}")[-1].value < 1
