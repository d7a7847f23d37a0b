"""Every line of the trust model names a test that exists, and SECURITY.md the version that there is."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| can |", "| what |"))]
TEST = re.compile(r"`([\w/]+\.py)(?:::(test_\w+))?`")


def held_by(row: str) -> list[tuple[str, str]]:
    """(file below tests/, function or "") that a row names in its last column."""
    return TEST.findall(row.rstrip(" |").rpartition("|")[2])


def test_there_are_lines_about_every_party() -> None:
    parties = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    for word in ("operator", "edit", "commands", "status", "model server", "Prometheus"):
        assert any(word in party for party in parties), word


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:60])
def test_a_line_names_a_test_that_exists(row: str) -> None:
    named = held_by(row)
    assert named, f"no test holds: {row}"
    for file, function in named:
        path = ROOT / "tests" / file
        assert path.exists(), file
        assert not function or re.search(rf"def {function}\(", path.read_text()), f"{file} has no {function}"


def test_the_supported_version_is_the_newest() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    minor = ".".join(version.split(".")[:2])
    assert f"| {minor}.x | yes |" in (ROOT / "SECURITY.md").read_text()
