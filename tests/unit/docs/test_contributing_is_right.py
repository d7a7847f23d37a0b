"""CONTRIBUTING says in how few files a change is made; the changelog is where a release looks for it."""

from __future__ import annotations

import re
import tomllib
from typing import Final

import pytest

from tests.docs.pages import ROOT, Page, find

PAGE: Final = Page(ROOT / "CONTRIBUTING.md")
ROW: Final = re.compile(r"^\| (an? .+?|the .+?) \| (.+?) \| (\d) \| (.*?) ?\|$", re.MULTILINE)
SPAN: Final = re.compile(r"`([^`]+)`")
MOST: Final = {
    "a gate type": 3,
    "a dialect": 2,
    "a router": 2,
    "an operator metric": 1,
    "a notification sink": 2,
    "a plugin command": 3,
}
"""With more files than this, some are forgotten."""
RELEASE: Final = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", re.MULTILINE)

rows = {name.partition(" (")[0]: (SPAN.findall(files), int(count)) for name, files, count, _ in ROW.findall(PAGE.text)}


@pytest.mark.parametrize(("name", "most"), MOST.items())
def test_what_is_added_often_is_added_in_few_files(name: str, most: int) -> None:
    assert rows[name][1] <= most


@pytest.mark.parametrize("name", rows)
def test_a_row_counts_its_files_and_puts_new_ones_where_a_folder_is(name: str) -> None:
    files, count = rows[name]
    assert len(files) == count
    for path in files:
        assert find(PAGE, path.partition("/<")[0]) is not None, path


def test_the_ten_changes_are_there() -> None:
    asked = {*MOST, "a spec field", "a status field", "a reason", "a sentence", "a lab component", "a Prometheus query"}
    assert asked <= rows.keys()


def test_the_changelog_has_a_place_for_what_comes_and_its_newest_release_first() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    released = [tuple(map(int, version.split("."))) for version in RELEASE.findall(text)]
    assert text.index("## [Unreleased]") < text.index(f"## [{RELEASE.findall(text)[0]}]")
    assert released == sorted(released, reverse=True)


def test_the_version_in_pyproject_is_the_newest_release() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert RELEASE.findall((ROOT / "CHANGELOG.md").read_text())[0] == version
