from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import helm_python as helm
import pytest
import yaml

from modelrollout.__main__ import parser
from modelrollout.api.config import parse_config
from tests import ROOT

CHART = ROOT / "charts" / "modelrollout"

VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "namespaces": {"watch": {"namespaces": ["vision", "speech"], "gatewayNamespaces": ["infra", "vision"]}},
    "least": {
        "watch": {"namespaces": ["vision"], "gatewayClasses": False},
        "snapshots": {"enabled": False},
        "crd": {"install": False},
        "rbac": {"aggregate": False},
    },
    "everything": {
        "replicas": 2,
        "imagePullSecrets": [{"name": "registry"}],
        "secretMounts": [{"name": "prometheus-token", "mountPath": "/etc/modelrollout/prometheus"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "infra", "operator": "Exists"}],
        "priorityClassName": "system-cluster-critical",
        "podAnnotations": {"a": "b"},
        "serviceAccount": {"annotations": {"c": "d"}},
    },
}
VERBS = {"get", "list", "watch", "create", "update", "patch", "delete"}


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="mro", namespace="rollouts")
    documents = (doc for name, text in files.items() if name.endswith(".yaml") for doc in yaml.safe_load_all(text))
    return [doc for doc in documents if doc]


def of(values: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [doc for doc in render(values) if doc["kind"] == kind]


def operator_rules(values: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for doc in render(values):
        users = doc["metadata"]["name"].endswith((":view", ":edit", ":commands"))
        if doc["kind"] in ("Role", "ClusterRole") and not users:
            for rule in doc["rules"]:
                yield doc["kind"], rule


@pytest.fixture(params=list(VARIANTS.values()), ids=list(VARIANTS))
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def test_helm_lint_finds_nothing_but_the_missing_icon(values: dict[str, Any]):
    found = helm.lint(str(CHART), values=values)
    assert [m["error"] for m in found["messages"]] == ["icon is recommended"]
    assert found["errors"] == []


def test_the_oldest_server_may_be_1_20():
    with helm.Chart.load(str(CHART)) as chart:
        assert chart.metadata["kubeVersion"] == ">=1.20.0-0"


def test_the_chart_carries_the_same_definition_as_crds():
    assert (CHART / "files" / "crd.yaml").read_text() == (ROOT / "crds" / "modelrollout.yaml").read_text()
    (definition,) = of({}, "CustomResourceDefinition")
    assert definition == yaml.safe_load((ROOT / "crds" / "modelrollout.yaml").read_text())


def test_uninstall_keeps_the_definition():
    (definition,) = of({}, "CustomResourceDefinition")
    assert definition["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_definition_can_be_left_to_others():
    assert of({"crd": {"install": False}}, "CustomResourceDefinition") == []


def test_no_right_is_a_wildcard_and_none_touches_secrets_or_deletes_more_than_the_lease(values: dict[str, Any]):
    for _, rule in operator_rules(values):
        own_lease = rule["resources"] == ["leases"] and len(rule.get("resourceNames", [])) == 1
        assert set(rule["verbs"]) <= (VERBS if own_lease else VERBS - {"delete"})
        assert "*" not in rule["resources"] + rule["apiGroups"] + rule["verbs"]
        assert "secrets" not in rule["resources"]


def test_with_namespaces_only_gateway_classes_are_read_across_the_cluster():
    wide = [rule for kind, rule in operator_rules(VARIANTS["namespaces"]) if kind == "ClusterRole"]
    assert wide == [{"apiGroups": ["gateway.networking.k8s.io"], "resources": ["gatewayclasses"], "verbs": ["get"]}]
    assert [rule for kind, rule in operator_rules(VARIANTS["least"]) if kind == "ClusterRole"] == []


def test_a_gateways_own_namespace_gives_away_its_gateways_alone():
    roles = {r["metadata"]["namespace"]: r for r in of(VARIANTS["namespaces"], "Role") if "lease" not in str(r)}
    assert set(roles) == {"vision", "speech", "infra"}
    assert [rule["resources"] for rule in roles["infra"]["rules"]] == [["gateways"]]


def test_config_maps_are_writable_only_for_snapshots():
    def resources(values: dict[str, Any]) -> set[str]:
        return {resource for _, rule in operator_rules(values) for resource in rule["resources"]}

    assert "configmaps" in resources({})
    assert "configmaps" not in resources(VARIANTS["least"])


def test_only_its_own_lease_can_be_renewed():
    rules = [rule for _, rule in operator_rules({}) if rule["resources"] == ["leases"]]
    assert [r["verbs"] for r in rules if "resourceNames" not in r] == [["create"]]
    assert [r["resourceNames"] for r in rules if "resourceNames" in r] == [["mro-modelrollout"]]


def test_every_binding_leads_to_a_role_and_to_the_operators_account(values: dict[str, Any]):
    documents = render(values)
    roles = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in documents}
    for binding in (d for d in documents if d["kind"].endswith("Binding")):
        ref = binding["roleRef"]
        assert (ref["kind"], binding["metadata"].get("namespace"), ref["name"]) in roles
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "mro-modelrollout", "namespace": "rollouts"}]


def pods(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [d["spec"]["template"]["spec"] for d in render(values) if d["kind"] in ("Deployment", "Job")]


def test_pods_pass_the_restricted_profile_and_write_nothing(values: dict[str, Any]):
    for pod in pods(values):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
        assert all(set(volume) & {"configMap", "secret"} for volume in pod.get("volumes", []))


def test_the_arguments_are_ones_the_operator_takes(values: dict[str, Any]):
    run, release = (parser().parse_args(pod["containers"][0]["args"]) for pod in pods(values))
    assert (run.action, release.action) == ("run", "release")
    assert run.namespace == release.namespace == values.get("watch", {}).get("namespaces", [])
    assert run.lease_name == release.lease_name == "mro-modelrollout"
    assert (run.metrics_port, release.metrics_port) == (8081, 0)


def test_the_mounted_configuration_is_one_the_operator_takes(values: dict[str, Any]):
    (config,) = of(values, "ConfigMap")
    read = parse_config(yaml.safe_load(config["data"]["config.yaml"]))
    assert read.prometheus[0].matchers == 'namespace="{namespace}"'
    (deployment,) = of(values, "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert f"--config={mounts[0]}" in container["args"]


def test_a_changed_configuration_starts_new_pods():
    def checksum(values: dict[str, Any]) -> str:
        (deployment,) = of(values, "Deployment")
        return deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    other = {"config": {"prometheus": [{"name": "default", "url": "https://thanos:9090"}]}}
    assert checksum(other) != checksum({})


def test_traffic_is_released_before_anything_is_deleted():
    (job,) = of({}, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    assert job["spec"]["activeDeadlineSeconds"] <= 300
    assert of({"releaseOnUninstall": False}, "Job") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"replica": 2},
        {"watch": {"namespaces": "vision"}},
        {"watch": {"namespaces": ["Vision"]}},
        {"config": {"prometheus": []}},
        {"config": {"prometheus": [{"url": "prometheus:9090"}]}},
        {"crd": {"instal": True}},
        {"metrics": {"port": 8080}},
        {"metrics": {"monitor": "Servicemonitor"}},
        {"metrics": {"interval": "30"}},
    ],
)
def test_values_that_make_no_sense_are_refused(wrong: dict[str, Any]):
    with helm.Chart.load(str(CHART)) as chart, pytest.raises(helm.HelmError):
        chart.validate_schema(wrong)
