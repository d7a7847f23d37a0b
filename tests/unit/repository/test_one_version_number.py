"""The version's home is pyproject.toml; a release changes it there, and these say where else."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest
import yaml

from tests import ROOT
from tests.unit.repository.declared import project

VERSION = project(".")["project"]["version"]


def test_both_packages_have_it():
    assert project("telemetry")["project"]["version"] == VERSION


@pytest.mark.parametrize("field", ["version", "appVersion"])
def test_the_chart_has_it(field: str):
    assert yaml.safe_load((ROOT / "charts/modelrollout/Chart.yaml").read_text())[field] == VERSION


def test_every_image_that_the_pages_name_has_it():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    tags = [tag for page in pages for tag in re.findall(r"modelrollout:v?(\d[\w.-]*)", page.read_text())]
    assert set(tags) == {VERSION}


def test_the_examples_install_it():
    files = [path for path in (ROOT / "examples").rglob("*") if path.is_file()]
    named = [found for path in files for found in re.findall(r"(?:modelrollout==|rev: v)(\d[\w.-]*)", path.read_text())]
    assert len(named) >= 2
    assert set(named) == {VERSION}


def test_the_code_reads_it_from_the_installed_package():
    assert version("modelrollout") == VERSION, "installed before the version changed: make venv"
    written = [
        path.relative_to(ROOT).as_posix()
        for folder in ("operator/modelrollout", "telemetry/activation_health")
        for path in (ROOT / folder).rglob("*.py")
        if VERSION in path.read_text()
    ]
    assert written == []
