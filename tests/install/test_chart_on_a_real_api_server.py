from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest

from modelrollout.adapters.kubernetes.snapshot_kind import SNAPSHOT_PLURAL
from modelrollout.api.base import GROUP, KIND, PLURAL
from tests.install.conftest import HOME, Bare, chart_in_force
from tests.install.test_chart_renders import CHART
from tests.unit.api.manifests import manifest

pytestmark = [pytest.mark.lab, pytest.mark.oldest]

API = f"{GROUP}/v1alpha1"


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart without its kubeVersion: an API server that was built by hand may call itself v0.0.0."""
    copy = tmp_path_factory.mktemp("chart") / "modelrollout"
    shutil.copytree(CHART, copy)
    about = (copy / "Chart.yaml").read_text().splitlines()
    (copy / "Chart.yaml").write_text("\n".join(line for line in about if not line.startswith("kubeVersion")))
    return copy


@pytest.fixture(scope="module")
def release(bare: Bare, chart: Path) -> Iterator[helm.Config]:
    """Installed for the namespace `vision`, with Gateways in `infra`, and a resource made."""
    values = {"watch": {"namespaces": ["vision"], "gatewayNamespaces": ["infra"]}}
    with chart_in_force(bare, chart, values, ["vision", "infra", "other"]) as config:
        bare.kube.create(manifest())
        yield config


ALLOWED = [
    ("get list watch patch", GROUP, PLURAL, "vision"),
    ("update", GROUP, f"{PLURAL}/status", "vision"),
    ("get create patch", GROUP, SNAPSHOT_PLURAL, "vision"),
    ("get list watch create patch", "gateway.networking.k8s.io", "httproutes", "vision"),
    ("get list watch create patch", "gateway.networking.k8s.io", "grpcroutes", "vision"),
    ("get", "gateway.networking.k8s.io", "gateways", "vision"),
    ("get", "gateway.networking.k8s.io", "gateways", "infra"),
    ("get", "gateway.networking.k8s.io", "gatewayclasses", None),
    ("get", "", "services", "vision"),
    ("list watch", "discovery.k8s.io", "endpointslices", "vision"),
    ("create", "events.k8s.io", "events", "vision"),
    ("create", "coordination.k8s.io", "leases", HOME),
]
REFUSED = [
    ("create update delete", GROUP, PLURAL, "vision"),
    ("get list watch patch", GROUP, PLURAL, "other"),
    ("delete", "gateway.networking.k8s.io", "httproutes", "vision"),
    ("delete", "gateway.networking.k8s.io", "grpcroutes", "vision"),
    ("get patch", "gateway.networking.k8s.io", "httproutes", "other"),
    ("get", "gateway.networking.k8s.io", "gateways", "other"),
    ("patch", "gateway.networking.k8s.io", "gateways", "infra"),
    ("get list watch create patch", "", "secrets", "vision"),
    ("get list", "", "secrets", HOME),
    ("get list create update patch delete", "", "configmaps", "vision"),
    ("get update patch", GROUP, f"{PLURAL}/finalizers", "vision"),
    ("get patch", GROUP, f"{PLURAL}/status", "vision"),
    ("list watch update delete", GROUP, SNAPSHOT_PLURAL, "vision"),
    ("get create patch", GROUP, SNAPSHOT_PLURAL, "other"),
    ("get patch", "events.k8s.io", "events", "vision"),
    ("create patch", "", "events", "vision"),
    ("get list", "", "pods", "vision"),
    ("create", "", "pods/exec", "vision"),
    ("patch", "apps", "deployments", "vision"),
    ("get update", "coordination.k8s.io", "leases", "kube-system"),
    ("list watch", "apiextensions.k8s.io", "customresourcedefinitions", None),
    ("list watch", "", "namespaces", None),
    ("create", "rbac.authorization.k8s.io", "rolebindings", "vision"),
]


OPERATOR = f"system:serviceaccount:{HOME}:mro-modelrollout"


def may(bare: Bare, verb: str, group: str, resource: str, namespace: str | None, user: str = OPERATOR) -> bool:
    """Whether `user`, the chart's own account if not named, may, as the API server's authorizer says."""
    resource, _, sub = resource.partition("/")
    about: dict[str, Any] = {"verb": verb, "group": group, "resource": resource, "subresource": sub}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": {**about, "namespace": namespace or ""}},
    }
    answer = bare.kube.resource("authorization.k8s.io/v1", "SubjectAccessReview").create(body=review)
    return bool(answer.to_dict()["status"]["allowed"])


@pytest.mark.parametrize(("verbs", "group", "resource", "namespace"), ALLOWED)
def test_the_operators_account_may_do_what_it_needs(
    verbs: str, group: str, resource: str, namespace: str | None, bare: Bare, release: helm.Config
):
    assert [verb for verb in verbs.split() if not may(bare, verb, group, resource, namespace)] == []


@pytest.mark.parametrize(("verbs", "group", "resource", "namespace"), REFUSED)
def test_the_operators_account_may_do_no_more(
    verbs: str, group: str, resource: str, namespace: str | None, bare: Bare, release: helm.Config
):
    assert [verb for verb in verbs.split() if may(bare, verb, group, resource, namespace)] == []


def test_uninstall_keeps_the_definition_and_every_resource_and_the_chart_can_be_installed_again(
    bare: Bare, release: helm.Config, chart: Path
):
    release.uninstall("mro", timeout=30)
    assert bare.kube.get("v1", "ServiceAccount", HOME, "mro-modelrollout") is None
    assert bare.kube.get(API, KIND, "vision", "digits") is not None
    release.install(str(chart), "mro", {"releaseOnUninstall": False}, namespace=HOME)
    assert bare.kube.get(API, KIND, "vision", "digits") is not None
    assert may(bare, "patch", GROUP, PLURAL, "other")
