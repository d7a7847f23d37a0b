"""helm upgrade from the chart that kept post-mortems in ConfigMaps, to the archive that a release publishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest

from modelrollout.adapters.kubernetes.snapshot_kind import SNAPSHOT_KIND, SNAPSHOT_PLURAL
from modelrollout.api.base import GROUP, GROUP_VERSION, KIND
from tests.install.conftest import HOME, Bare, chart_in_force
from tests.install.test_chart_on_a_real_api_server import may
from tests.install.test_chart_renders import CHART, of
from tests.unit.api.manifests import manifest

pytestmark = pytest.mark.lab

EARLIER = Path(__file__).with_name("earlier") / "with-config-maps.tgz"
"""As it was packaged before there were ModelRolloutSnapshots."""
KEPT = "digits-snapshot-3"
READER = {"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(helm.package(str(CHART), destination=str(tmp_path_factory.mktemp("archive"))))


@pytest.fixture(scope="module")
def release(bare: Bare) -> Iterator[helm.Config]:
    """The earlier chart for all namespaces, with a resource whose history names a ConfigMap."""
    with chart_in_force(bare, EARLIER, {}, ["vision"]) as config:
        bare.kube.create(manifest())
        resource = stored(bare)
        owner = {"apiVersion": GROUP_VERSION, "kind": KIND, "name": "digits", "uid": resource["metadata"]["uid"]}
        meta = {"name": KEPT, "namespace": "vision", "ownerReferences": [owner]}
        data = {"snapshot.json": '{"model":"digits"}'}
        bare.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
        bare.kube.resource(GROUP_VERSION, KIND).status.patch(
            body={"status": {"history": [entry()]}},
            name="digits",
            namespace="vision",
            content_type="application/merge-patch+json",
        )
        bare.kube.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "reader"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": f"{HOME}:mro-modelrollout:view",
                },
                "subjects": [READER],
            }
        )
        yield config


def entry() -> dict[str, Any]:
    facts = {"stable": "1", "candidate": "2", "result": "Promoted", "reason": "Promoted", "snapshot": KEPT}
    return facts | {"startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T01:00:00Z"}


def stored(bare: Bare) -> dict[str, Any]:
    found = bare.kube.get(GROUP_VERSION, KIND, "vision", "digits")
    assert found is not None
    return found


def test_an_upgrade_takes_the_right_to_config_maps_and_keeps_every_object(
    bare: Bare, release: helm.Config, archive: Path
):
    before = stored(bare)
    assert may(bare, "create", "", "configmaps", "vision"), "the earlier chart gave it"
    release.upgrade(str(archive), "mro", {"releaseOnUninstall": False}, namespace=HOME)
    bare.kube.wait_served([f"/apis/{GROUP_VERSION}/{SNAPSHOT_PLURAL}"])
    for verb in ("get", "list", "create", "update", "patch", "delete"):
        assert not may(bare, verb, "", "configmaps", "vision"), verb
    assert may(bare, "create", GROUP, SNAPSHOT_PLURAL, "vision")
    assert stored(bare)["spec"] == before["spec"]
    assert stored(bare)["status"] == before["status"]
    old = bare.kube.get("v1", "ConfigMap", "vision", KEPT)
    assert old is not None
    assert old["data"] == {"snapshot.json": '{"model":"digits"}'}
    meta = {"name": "digits-snapshot-0", "namespace": "vision"}
    bare.kube.apply({"apiVersion": GROUP_VERSION, "kind": SNAPSHOT_KIND, "metadata": meta, "data": old["data"]})
    kept = bare.kube.get(GROUP_VERSION, SNAPSHOT_KIND, "vision", "digits-snapshot-0")
    assert kept is not None
    assert kept["data"] == old["data"], "the same key holds the same text"


def test_who_may_view_a_namespace_may_read_its_snapshots_after_it(bare: Bare, release: helm.Config):
    for verb, allowed in {"get": True, "list": True, "watch": True, "create": False, "delete": False}.items():
        assert may(bare, verb, GROUP, SNAPSHOT_PLURAL, "vision", user="reader") == allowed, verb


def test_the_archive_can_be_installed_where_nothing_was(bare: Bare, release: helm.Config, archive: Path):
    release.uninstall("mro", timeout=30)
    assert stored(bare)["spec"] == manifest()["spec"], "the definitions stay, and what is of them"
    release.install(str(archive), "mro", {"releaseOnUninstall": False}, namespace=HOME)
    assert may(bare, "create", GROUP, SNAPSHOT_PLURAL, "vision")


def test_the_job_that_frees_traffic_is_whole_by_itself(bare: Bare, release: helm.Config):
    """docs/gitops/uninstall.md has people apply it where no hook runs."""
    (job,) = of({}, "Job")
    bare.kube.create(job)
    made = bare.kube.get("batch/v1", "Job", HOME, job["metadata"]["name"])
    assert made is not None
    assert made["metadata"]["name"] == "mro-modelrollout-release"
    assert made["spec"]["template"]["spec"]["serviceAccountName"] == "mro-modelrollout"
    bare.kube.delete("batch/v1", "Job", HOME, job["metadata"]["name"])
