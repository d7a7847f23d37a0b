"""The chart's objects of the Prometheus Operator: none without their definitions, and what they say of the port."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml

from tests.install.test_chart_renders import CHART, of

KNOWN = ".Capabilities.APIVersions.Has (printf"


@pytest.fixture
def anywhere(tmp_path: Path) -> Path:
    """The chart as in a cluster that has every kind of the Prometheus Operator: rendering offline knows of none."""
    chart = shutil.copytree(CHART, tmp_path / "modelrollout")
    for path in (chart / "templates").rglob("*.*"):
        path.write_text(
            path.read_text()
            .replace(KNOWN, "contains (printf")
            .replace('(printf "monitoring.coreos.com/v1/%s" $kind)', '$kind "PodMonitor ServiceMonitor PrometheusRule"')
        )
    return chart


def rendered(chart: Path, **metrics: Any) -> dict[str, dict[str, Any]]:
    with helm.Chart.load(str(chart)) as loaded:
        files = loaded.render({"metrics": metrics}, name="mro", namespace="rollouts")
    found = [doc for name, text in files.items() if name.endswith(".yaml") for doc in yaml.safe_load_all(text) if doc]
    return {doc["kind"]: doc for doc in found}


def test_without_their_definitions_there_are_none():
    for monitor in ("PodMonitor", "ServiceMonitor"):
        for kind in (monitor, "PrometheusRule", "Service"):
            assert of({"metrics": {"monitor": monitor}}, kind) == []


@pytest.mark.parametrize(("kind", "field"), [("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")])
def test_a_monitor_leads_to_the_port_of_the_operator(anywhere: Path, kind: str, field: str):
    found = rendered(anywhere, monitor=kind, labels={"release": "stack"}, port=9000)
    assert {"PodMonitor", "ServiceMonitor"} & found.keys() == {kind}
    monitor, pod = found[kind], found["Deployment"]["spec"]["template"]
    assert monitor["metadata"]["labels"]["release"] == "stack"
    (endpoint,) = monitor["spec"][field]
    assert endpoint == {"port": "metrics", "path": "/metrics", "interval": "30s", "honorLabels": True}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    assert {"name": "metrics", "containerPort": 9000} in container["ports"]
    assert "--metrics-port=9000" in container["args"]
    if kind == "ServiceMonitor":
        service = found["Service"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("metrics", [{"enabled": False}, {"monitor": "None"}])
def test_a_monitor_that_is_not_wanted_is_not_made(anywhere: Path, metrics: dict[str, Any]):
    assert not {"PodMonitor", "ServiceMonitor"} & rendered(anywhere, **metrics).keys()


def test_without_metrics_the_operator_opens_no_port(anywhere: Path):
    (container,) = rendered(anywhere, enabled=False)["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert [port["name"] for port in container["ports"]] == ["health"]
    assert not [argument for argument in container["args"] if "metrics" in argument]


def test_the_rule_is_the_file_with_the_limits_and_the_place_of_the_pages_of_the_values(anywhere: Path):
    own = {"latencySeconds": 2.5, "waitingSeconds": 60}
    rule = rendered(anywhere, labels={"release": "stack"}, rules={"runbooks": "https://w.test/", "limits": own})
    made = {"groups": rule["PrometheusRule"]["spec"]["groups"]}
    assert rule["PrometheusRule"]["metadata"]["labels"]["release"] == "stack"
    file = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    changed = {"latencySeconds": "vector(2.5)", "waitingSeconds": "vector(60)"}
    for group in file["groups"]:
        for each in group["rules"]:
            if "annotations" in each:
                each["annotations"]["runbook_url"] = f"https://w.test/{each['annotations']['runbook_url']}"
            limit = each.get("labels", {}).get("of")
            each["expr"] = changed.get(limit, each["expr"])
    assert made == file


def test_the_values_of_the_chart_are_the_limits_of_the_file(anywhere: Path):
    rule = rendered(anywhere)["PrometheusRule"]["spec"]
    assert rule == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())


@pytest.mark.parametrize("metrics", [{"enabled": False}, {"rules": {"enabled": False}}])
def test_rules_that_are_not_wanted_are_not_made(anywhere: Path, metrics: dict[str, Any]):
    assert "PrometheusRule" not in rendered(anywhere, **metrics)


@pytest.mark.parametrize("rules", [{"limits": {"errorShare": 5}}, {"limits": {"latency": 1}}, {"runbooks": "wiki"}])
def test_rules_that_make_no_sense_are_refused(rules: dict[str, Any]):
    with helm.Chart.load(str(CHART)) as chart, pytest.raises(helm.HelmError):
        chart.validate_schema({"metrics": {"rules": rules}})
