"""The chart's Grafana dashboards: built from code, of series that exist, with variables that are defined."""

from __future__ import annotations

import json
import re

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from modelrollout.runtime.exposition.rollouts import FAMILIES
from tests import ROOT
from tests.docs.dashboards.boards import BOARDS
from tests.docs.dashboards.files import FOLDER, texts
from tests.docs.operator_metrics import operators

EXPORTED = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
KNOWN = {*EXPORTED, *(family.name for family in (*FAMILIES, *operators()))}
GRAFANAS = {"__rate_interval", "__range"}


@pytest.mark.parametrize("name", texts())
def test_the_file_is_what_the_code_makes(name: str):
    assert (FOLDER / name).read_text() == texts()[name], "a dashboard has changed: run `make docs`"


def test_there_is_no_other_file():
    assert {path.name for path in FOLDER.iterdir()} == set(texts())


@pytest.mark.parametrize("name", BOARDS)
def test_every_series_is_exported_and_every_variable_defined(name: str):
    made = json.loads(texts()[f"{name}.json"])
    variables = {one["name"] for one in made["templating"]["list"]}
    asked = [*BOARDS[name].queries, *(str(one.get("query", "")) for one in made["templating"]["list"])]
    named = {metric for text in asked for metric in re.findall(r"\b(?:modelrollout|model)_[a-z_]+", text)}
    assert named - KNOWN == set()
    assert {one for text in asked for one in re.findall(r"\$(\w+)", text)} - variables - GRAFANAS == set()
    assert {"datasource", "namespace", "model"} <= variables


@pytest.mark.parametrize("name", BOARDS)
def test_grafanas_own_models_read_it_back_unchanged(name: str):
    made = json.loads(texts()[f"{name}.json"])
    again = Dashboard.from_json(made)
    assert again.title == made["title"]
    assert [panel.title for panel in again.panels or []] == [panel["title"] for panel in made["panels"]]
    identities = [panel["id"] for panel in made["panels"]]
    assert identities == sorted(set(identities))
    assert all(panel["targets"] and panel["description"] for panel in made["panels"])
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in made["panels"])


def test_identities_are_our_own_and_differ():
    made = [json.loads(text) for text in texts().values()]
    assert len({one["uid"] for one in made}) == len(made)
    assert all(one["uid"].startswith("modelrollout-") and one["editable"] is False for one in made)
