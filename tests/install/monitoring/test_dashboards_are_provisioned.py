"""The chart's ConfigMaps of the dashboards: none unless asked for, and each the file as it is."""

from __future__ import annotations

from typing import Any

import helm_python as helm
import pytest

from tests.docs.dashboards.files import FOLDER
from tests.install.test_chart_renders import CHART, of


def test_they_are_off_by_default():
    assert [one for one in of({}, "ConfigMap") if "dashboard" in one["metadata"]["name"]] == []


def test_each_is_the_file_under_the_label_that_sidecars_look_for():
    values = {"metrics": {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "Models"}}}}
    found = [one for one in of(values, "ConfigMap") if "dashboard" in one["metadata"]["name"]]
    assert {name: text for one in found for name, text in one["data"].items()} == {
        f"modelrollout-{path.name}": path.read_text() for path in FOLDER.iterdir()
    }
    for one in found:
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert one["metadata"]["annotations"] == {"grafana_folder": "Models"}
    assert len({one["metadata"]["name"] for one in found}) == len(found) == 3


@pytest.mark.parametrize("dashboards", [{"enabled": "yes"}, {"labels": {"a": 1}}, {"folder": "x"}])
def test_settings_that_make_no_sense_are_refused(dashboards: dict[str, Any]):
    with helm.Chart.load(str(CHART)) as chart, pytest.raises(helm.HelmError):
        chart.validate_schema({"metrics": {"dashboards": dashboards}})
