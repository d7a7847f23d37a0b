"""`make unit` runs a few of many cases alike, `make test` all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import ROOT
from tests.alike import spread

CASES = "tests/unit/repository/test_cases_alike_are_sampled.py::test_each_of_these_is_a_case"


@pytest.mark.alike(3)
@pytest.mark.parametrize("number", range(11))
def test_each_of_these_is_a_case(number: int):
    assert number in range(11)


@given(count=st.integers(1, 500), wanted=st.integers(1, 20))
def test_as_many_as_are_wanted_and_exist_are_quick_the_first_and_the_last_among_them(count: int, wanted: int):
    quick = spread(count, wanted)
    assert len(quick) == min(count, wanted)
    assert quick <= set(range(count))
    assert {0, count - 1 if wanted > 1 else 0} <= quick


def test_a_case_is_slow_unless_it_is_one_of_the_few(request: pytest.FixtureRequest):
    """Where this file is run as a whole, its own cases say what has been marked."""
    cases = [item for item in request.session.items if item.nodeid.startswith(CASES)]
    quick = {item.callspec.params["number"] for item in cases if not item.get_closest_marker("slow")}  # type: ignore[attr-defined]
    assert quick == {0, 5, 10}


@pytest.mark.slow
@pytest.mark.parametrize(("chosen", "numbers"), [("slow or not slow", range(11)), ("not slow", (0, 5, 10))])
def test_what_is_collected_follows(tmp_path: Path, chosen: str, numbers: tuple[int, ...]):
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--co", "-m", chosen, "-p", "no:cacheprovider", CASES],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=100,
    ).stdout  # fmt: skip
    assert {line for line in told.splitlines() if "::" in line} == {f"{CASES}[{number}]" for number in numbers}
