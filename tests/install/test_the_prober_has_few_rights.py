"""The prober is left out unless asked for, runs as restricted as the operator, and may write one ConfigMap by name."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.__main__ import parser as of_operator
from modelrollout.prober.main import parser as of_prober
from tests.install.test_chart_renders import render

PROBER: dict[str, Any] = {"prober": {"enabled": True, "volume": {"emptyDir": {}}}}
NAMESPACED = PROBER | {"watch": {"namespaces": ["vision", "speech"]}}
NAME = "mro-modelrollout-preflight"


def probers(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        doc for doc in render(values) if NAME in str(doc["metadata"]["name"]) or ":prober" in doc["metadata"]["name"]
    ]


def rules(values: dict[str, Any], account: str) -> list[tuple[str | None, dict[str, Any]]]:
    """(namespace, rule) of everything that is bound to the account."""
    documents = probers(values)
    roles = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]): d for d in documents}
    found = []
    for binding in (d for d in documents if d["kind"].endswith("Binding") and d["subjects"][0]["name"] == account):
        namespace, ref = binding["metadata"].get("namespace"), binding["roleRef"]
        found += [(namespace, rule) for rule in roles[ref["kind"], namespace, ref["name"]]["rules"]]
    return found


def container(values: dict[str, Any]) -> dict[str, Any]:
    (found,) = (d for d in probers(values) if d["kind"] == "Deployment")
    return dict(found["spec"]["template"]["spec"]["containers"][0])


def test_it_is_not_there_unless_asked_for():
    assert probers({}) == []
    (operator,) = (d for d in render({}) if d["kind"] == "Deployment")
    assert "--preflight-reports" not in str(operator)


@pytest.mark.parametrize("values", [PROBER, NAMESPACED])
def test_it_writes_one_config_map_by_name_and_reads_what_a_run_needs(values: dict[str, Any]):
    found = rules(values, NAME)
    writing = [(namespace, rule) for namespace, rule in found if not {*rule["verbs"]} <= {"get", "list", "watch"}]
    assert [(namespace, rule["resources"], rule["resourceNames"], rule["verbs"]) for namespace, rule in writing] == [
        ("rollouts", ["configmaps"], [NAME], ["get", "patch"])
    ]
    read = {resource for _, rule in found for resource in rule["resources"]}
    assert read == {"configmaps", "modelrollouts", "services", "endpointslices"}
    wide = {namespace for namespace, rule in found if "modelrollouts" in rule["resources"]}
    assert wide == ({None} if values is PROBER else {"vision", "speech"})


def test_golden_sets_may_come_from_the_volume_alone():
    found = rules({"prober": PROBER["prober"] | {"configMaps": False}}, NAME)
    assert [rule["resourceNames"] for _, rule in found if rule["resources"] == ["configmaps"]] == [[NAME]]


def test_the_operator_may_read_what_it_says_and_not_write_it():
    found = rules(PROBER, "mro-modelrollout")
    assert [(rule["resources"], rule["resourceNames"], rule["verbs"]) for _, rule in found] == [
        (["configmaps"], [NAME], ["get"])
    ]


@pytest.mark.parametrize("values", [PROBER, NAMESPACED])
def test_both_are_started_with_arguments_that_they_take(values: dict[str, Any]):
    args = of_prober().parse_args(container(values)["args"])
    assert (args.reports, str(args.golden_sets), args.rate) == (NAME, "/golden", 200)
    operator = next(
        d for d in render(values) if d["kind"] == "Deployment" and d["metadata"]["name"] == "mro-modelrollout"
    )
    known = of_operator().parse_args(operator["spec"]["template"]["spec"]["containers"][0]["args"])
    assert known.preflight_reports == NAME


def test_it_runs_restricted_and_no_selector_of_the_operator_finds_it():
    assert container(PROBER)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    names = {
        d["metadata"]["name"]: d["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
        for d in render(PROBER)
        if d["kind"] == "Deployment"
    }
    assert len(set(names.values())) == 2


def test_golden_sets_may_come_from_a_store_by_an_identity_of_its_own():
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/golden"}
    values = {"prober": PROBER["prober"] | {"store": "s3://models/golden", "serviceAccountAnnotations": role}}
    assert of_prober().parse_args(container(values)["args"]).golden_sets == "s3://models/golden"
    (account,) = (d for d in probers(values) if d["kind"] == "ServiceAccount")
    assert account["metadata"]["annotations"] == role
    assert not any("annotations" in d["metadata"] for d in probers(PROBER) if d["kind"] == "ServiceAccount")
    with pytest.raises(ValueError, match="store"):
        render({"prober": PROBER["prober"] | {"store": "s3://key:secret@models"}})


def test_authorities_of_model_servers_are_files_of_both_who_ask_them():
    mount = {"name": "model-authorities", "mountPath": "/etc/modelrollout/authorities"}
    for doc in (d for d in render(PROBER | {"configMapMounts": [mount]}) if d["kind"] == "Deployment"):
        pod = doc["spec"]["template"]["spec"]
        (volume,) = (one for one in pod["volumes"] if one.get("configMap", {}).get("name") == mount["name"])
        (mounted,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == volume["name"])
        assert (mounted["mountPath"], mounted["readOnly"]) == (mount["mountPath"], True)
    assert not any(
        rule for rule in rules(PROBER | {"configMapMounts": [mount]}, NAME) if "secrets" in rule[1]["resources"]
    )
