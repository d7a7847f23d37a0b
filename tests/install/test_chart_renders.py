from __future__ import annotations

import json
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
        "podAnnotations": {"a": "b", "sidecar.istio.io/inject": "true"},
        "podLabels": {"team": "platform", "app.kubernetes.io/name": "theirs", "sidecar.istio.io/inject": "true"},
        "image": {"repository": "registry.example.com/operator", "tag": "1", "digest": f"sha256:{'a1' * 32}"},
        "config": {"logs": {"format": "JSON"}},
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
    for name, source in {"crd.yaml": "modelrollout.yaml", "crd-snapshot.yaml": "modelrolloutsnapshot.yaml"}.items():
        assert (CHART / "files" / name).read_text() == (ROOT / "crds" / source).read_text()
    committed = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    assert of({}, "CustomResourceDefinition") == committed


def test_uninstall_keeps_the_definition():
    kept = [each["metadata"]["annotations"] for each in of({}, "CustomResourceDefinition")]
    assert kept == [{"helm.sh/resource-policy": "keep"}] * 2


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


def test_no_config_map_can_be_read_or_written_and_snapshots_only_where_they_are_kept():
    def resources(values: dict[str, Any]) -> set[str]:
        return {resource for _, rule in operator_rules(values) for resource in rule["resources"]}

    assert "modelrolloutsnapshots" in resources({})
    assert "modelrolloutsnapshots" not in resources(VARIANTS["least"])
    assert not any("configmaps" in resources(each) for each in VARIANTS.values())


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
    wanted = values.get("config", {}).get("logs", {}).get("format", "Text")
    assert run.log_format == release.log_format == wanted


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


def of_pods(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Metadata of the Deployment's Pods and of the Job's."""
    return [d["spec"]["template"]["metadata"] for d in render(values) if d["kind"] in ("Deployment", "Job")]


def test_annotations_and_labels_are_on_both_pods_and_no_sidecar_keeps_the_job_from_its_end():
    operator, job = of_pods(VARIANTS["everything"])
    assert operator["annotations"]["a"] == job["annotations"]["a"] == "b"
    assert operator["labels"]["team"] == job["labels"]["team"] == "platform"
    inject = "sidecar.istio.io/inject"
    assert (operator["annotations"][inject], operator["labels"][inject]) == ("true", "true")
    assert (job["annotations"][inject], job["labels"][inject]) == ("false", "false")
    assert job["annotations"]["linkerd.io/inject"] == "disabled"
    assert job["labels"]["app.kubernetes.io/name"] == "modelrollout-release"
    (_, plain) = of_pods({})
    assert plain["labels"]["app.kubernetes.io/name"] == "modelrollout-release"
    theirs = {"releaseJob": {"podAnnotations": {inject: "true"}}}
    assert of_pods(theirs)[1]["annotations"][inject] == "true"


def test_a_digest_is_what_runs_whatever_the_tag():
    images = {pod["containers"][0]["image"] for pod in pods(VARIANTS["everything"])}
    assert images == {f"registry.example.com/operator@sha256:{'a1' * 32}"}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted = [labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", [])]
    return all(wanted) and all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def test_nobody_reaches_a_pod_but_for_its_health_and_metrics(values: dict[str, Any]):
    (policy,) = of(values, "NetworkPolicy")
    spec = policy["spec"]
    assert all(selects(spec["podSelector"], one["labels"]) for one in of_pods(values))
    assert not selects(spec["podSelector"], {"app.kubernetes.io/name": "other", "app.kubernetes.io/instance": "mro"})
    assert spec["policyTypes"] == ["Ingress"]
    (deployment,) = of(values, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    names = [one["name"] for one in container["ports"]]
    assert names == ["health", "metrics"]
    assert spec["ingress"] == [{"ports": [{"port": name, "protocol": "TCP"}]} for name in names]


def test_a_network_policy_can_be_narrowed_or_left_out():
    scraper = {"podSelector": {"matchLabels": {"app": "prometheus"}}}
    narrow = {
        "healthFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "metricsFrom": [scraper],
        "egress": [{"ports": [{"port": 443}]}],
    }
    (policy,) = of({"networkPolicy": narrow}, "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert [one["from"] for one in policy["spec"]["ingress"]] == [narrow["healthFrom"], narrow["metricsFrom"]]
    (alone,) = of({"metrics": {"enabled": False}}, "NetworkPolicy")
    assert [one["ports"][0]["port"] for one in alone["spec"]["ingress"]] == ["health"]
    assert policy["spec"]["egress"] == narrow["egress"]
    assert of({"networkPolicy": {"enabled": False}}, "NetworkPolicy") == []


def test_of_several_replicas_one_may_go_at_a_time_and_they_are_spread():
    assert of({}, "PodDisruptionBudget") == []
    (budget,) = of({"replicas": 3}, "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    (deployment,) = of({"replicas": 3}, "Deployment")
    template = deployment["spec"]["template"]
    (spread,) = template["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    for selector in (budget["spec"]["selector"], spread["labelSelector"]):
        assert selects(selector, template["metadata"]["labels"])
        assert not selects(selector, of_pods({"replicas": 3})[1]["labels"])
    assert "topologySpreadConstraints" not in of({}, "Deployment")[0]["spec"]["template"]["spec"]
    zones = [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}]
    (deployment,) = of({"topologySpreadConstraints": zones}, "Deployment")
    assert deployment["spec"]["template"]["spec"]["topologySpreadConstraints"] == zones
    assert of({"replicas": 3, "podDisruptionBudget": {"enabled": False}}, "PodDisruptionBudget") == []


def test_every_value_has_a_schema_and_none_takes_fields_that_are_none():
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())

    def check(values: dict[str, Any], node: dict[str, Any], path: str) -> None:
        known = node.get("properties", {})
        assert node.get("additionalProperties") is not True, path
        if known:
            assert node["additionalProperties"] is False, path
            assert set(values) <= set(known), path
        for name, value in values.items():
            if isinstance(value, dict) and name in known and "$ref" not in known[name]:
                check(value, known[name], f"{path}.{name}")

    check(defaults, schema, "values")
    assert set(schema["properties"]) - set(defaults) == {"global"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": {"repository": "a", "digest": "sha256:abc"}},
        {"podAnnotations": {"a": 1}},
        {"podLabels": {"a": True}},
        {"networkPolicy": {"enable": True}},
        {"networkPolicy": {"egress": ["all"]}},
        {"podDisruptionBudget": {"maxUnavailable": 0}},
        {"podDisruptionBudget": {"maxUnavailable": "0%"}},
        {"topologySpreadConstraints": [{"maxSkew": 1}]},
        {"releaseJob": {"annotations": {}}},
        {"resources": {"limit": {}}},
        {"affinity": {"nodes": {}}},
        {"serviceAccount": {"name": "Not A Name"}},
        {"config": {"prometheus": [{"url": "http://p"}], "limits": {"mostGates": 0}}},
        {"config": {"prometheus": [{"url": "http://p"}], "logs": {"format": "Xml"}}},
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
