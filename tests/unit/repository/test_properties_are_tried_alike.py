"""Whatever folders are run together, a profile of Hypothesis is one thing: the same examples each time."""

from __future__ import annotations

import ast

import pytest
from hypothesis import settings

from tests import ROOT

BOTH = [ROOT / "tests/conftest.py", ROOT / "telemetry/tests/conftest.py"]


def test_the_distributions_define_the_same_profiles():
    ours, telemetrys = ([line for line in path.read_text().splitlines() if "_profile(" in line] for path in BOTH)
    calls = [[ast.unparse(ast.parse(line.strip())) for line in lines] for lines in (ours, telemetrys)]
    profiles = [[call for call in each if call.startswith("settings.")] for each in calls]
    assert profiles[0] == profiles[1] != []


@pytest.mark.parametrize("name", ["quick", "full"])
def test_no_run_fails_by_chance(name: str):
    assert settings.get_profile(name).derandomize
