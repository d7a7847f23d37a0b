"""Every alert of the rules file has timelines on which it fires and others on which it stays silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.install.monitoring.promtool import RULES, Case, outcome
from tests.install.monitoring.timelines import CASES, SERVES


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    assert alerts().keys() == CASES.keys()
    for name, cases in CASES.items():
        assert {bool(case.fires) for case in cases} == {True, False}, name


@pytest.mark.timeout(900)  # a day by the minute: seconds, or minutes on a machine that has other work
@pytest.mark.parametrize("name", CASES)
def test_it_fires_on_these_timelines_alone(name: str, tmp_path: Path):
    assert outcome(name, CASES[name], tmp_path) == ""


def test_a_timeline_that_says_otherwise_is_found_out(tmp_path: Path):
    wrong = Case("nothing burns", SERVES, 10, ({"model": "digits"},))
    assert "FAILED" in outcome("ModelRolloutNonFinite", (wrong,), tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_it_says_how_urgent_it_is_where_its_page_is_and_what_it_is_about(name: str):
    rule = alerts()[name]
    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/alerts.md#{name.lower()}"
    assert {"summary", "description"} <= rule["annotations"].keys()
