"""What examples/ holds is taken by an API server that drops no unknown field, and does what its pages say."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.api.base import PLURAL
from modelrollout.api.crd import crd
from tests import ROOT
from tests.install.conftest import Bare
from tests.lab import gateway_api, tool_definition
from tests.unit.api.manifests import manifest

pytestmark = pytest.mark.lab

EXAMPLES = ROOT / "examples"
OVERLAYS = sorted(each.name for each in (EXAMPLES / "kustomize/overlays").iterdir())
TOOLS = {
    "Application": ["argo-cd/application.yaml", "argo-cd/application-adopted-route.yaml"],
    "Kustomization": ["flux/kustomization.yaml", "flux/kustomization-adopted-route.yaml"],
    "ClusterPolicy": ["policies/kyverno.yaml"],
}
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def server(bare: Bare) -> Bare:
    if not bare.version.has_policies:
        # 1.20 knows neither, and examples are for what people run today.
        pytest.skip("strict validation and ValidatingAdmissionPolicy need a newer API server")
    for definition in (crd(), *gateway_api()):
        bare.kube.apply(definition)
    bare.kube.wait_served([f"/apis/modelrollout.dev/v1alpha1/{PLURAL}", "/apis/gateway.networking.k8s.io/v1/gateways"])
    for name, tier in (("vision", "production"), ("vision-lab", "lab"), ("argocd", ""), ("flux-system", "")):
        labels = {"tier": tier} if tier else {}
        bare.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    return bare


def kubectl(server: Bare, *given: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    asked = [str(BIN / "kubectl"), f"--kubeconfig={server.kubeconfig}", *given]
    return subprocess.run(asked, input=text, capture_output=True, text=True, check=False, timeout=60)


def applied_once_known(server: Bare, *what: str) -> subprocess.CompletedProcess[str]:
    """For at most a minute again while the server's list of kinds, or its schema, does not have a new one yet."""
    end = time.monotonic() + 60
    while True:
        applied = kubectl(server, "apply", *what, "--validate=strict")
        if applied.returncode == 0 or time.monotonic() > end:
            return applied
        time.sleep(0.5)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_is_taken_and_its_rollout_is_clean(overlay: str, server: Bare):
    folder = EXAMPLES / "kustomize/overlays" / overlay
    applied = applied_once_known(server, "-k", str(folder))
    assert applied.returncode == 0, applied.stderr
    built = kubectl(server, "kustomize", str(folder))
    asked = [str(BIN / "kubectl-modelrollout"), "lint", "-"]
    linted = subprocess.run(asked, input=built.stdout, capture_output=True, text=True, check=False, timeout=60)
    assert (linted.returncode, linted.stderr) == (0, "1 ModelRollout in 1 file: 0 problems\n"), linted.stdout
    assert kubectl(server, "delete", "-k", str(folder), "--wait=false").returncode == 0


def test_the_webhook_gate_is_taken_and_clean_beside_the_operators_values(server: Bare, tmp_path: Path):
    rollout = EXAMPLES / "webhook-gate/rollout.yaml"
    applied = applied_once_known(server, "-f", str(rollout))
    assert applied.returncode == 0, applied.stderr
    values = yaml.safe_load((EXAMPLES / "webhook-gate/values.yaml").read_text())
    prometheus = {"prometheus": [{"url": "http://prometheus:9090", "gatewayMatchers": 'namespace="traefik"'}]}
    (tmp_path / "operator.yaml").write_text(yaml.safe_dump({**prometheus, **values["config"]}))
    asked = [str(BIN / "kubectl-modelrollout"), "lint", str(rollout), "--config", str(tmp_path / "operator.yaml")]
    linted = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
    assert (linted.returncode, linted.stderr) == (0, "1 ModelRollout in 1 file: 0 problems, 1 warning\n"), linted.stdout
    assert "gate errors cannot be proven within 2h" in linted.stdout, "at 1 request a second"
    mounted = [one["mountPath"] for one in values["secretMounts"]]
    assert all(one["urlFile"].startswith(f"{mounted[0]}/") for one in values["config"]["webhooks"])
    assert kubectl(server, "delete", "-f", str(rollout), "--wait=false").returncode == 0


@pytest.mark.parametrize("kind", TOOLS)
def test_what_is_for_another_tool_has_the_fields_that_it_knows(kind: str, server: Bare):
    definition = tool_definition(kind)
    if definition is None:
        # A desk without Go; its digest is pinned, so another one is a failure.
        pytest.skip(f"no Go module proxy to take the definition of {kind} from")
    server.kube.apply(definition)
    for name in TOOLS[kind]:
        applied = applied_once_known(server, "-f", str(EXAMPLES / name))
        assert applied.returncode == 0, f"{name}: {applied.stderr}"
        # The same place with a field that nobody knows: the schema is a real one and is asked.
        (body,) = yaml.safe_load_all((EXAMPLES / name).read_text())
        body["spec"]["nobodyKnowsThis"] = True
        refused = kubectl(server, "apply", "-f", "-", "--validate=strict", text=yaml.safe_dump(body))
        assert 'unknown field "spec.nobodyKnowsThis"' in refused.stderr


def test_the_health_script_is_a_patch_of_argo_cds_settings(server: Bare):
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}
    server.kube.apply(settings | {"data": {"url": "https://argo.example.com"}})
    file = str(EXAMPLES / "argo-cd/health.yaml")
    patched = kubectl(server, "-n", "argocd", "patch", "configmap", "argocd-cm", f"--patch-file={file}")
    assert patched.returncode == 0, patched.stderr
    found = server.kube.get("v1", "ConfigMap", "argocd", "argocd-cm")
    assert found is not None
    assert set(found["data"]) == {"url", "resource.customizations.health.modelrollout.dev_ModelRollout"}


UNSAFE: dict[str, tuple[dict[str, Any], str]] = {
    "a large first step": ({"steps": [{"weight": 25, "hold": "10m"}]}, "spec.steps[0].weight: in production"),
    "unproven": ({"analysis": {"onInconclusive": "Promote"}}, "spec.analysis.onInconclusive: in production"),
    "a breach that waits": ({"analysis": {"onBreach": "Pause"}}, "spec.analysis.onBreach: in production"),
    "nobody judges errors": ({"gates": [{"name": "dead", "type": "DeadNeurons"}]}, "spec.gates: in production"),
    "errors do not decide": (
        {"gates": [{"name": "errors", "type": "ErrorRate", "required": False}]},
        "spec.gates: in production",
    ),
}

SAFE: list[dict[str, Any]] = [
    {},
    {"gates": []},
    {"steps": [{"mirror": 10, "hold": "10m"}, {"weight": 10, "hold": "10m"}]},
]


def test_the_policy_holds_in_production_alone(server: Bare):
    applied = kubectl(server, "apply", "-f", str(EXAMPLES / "policies/admission-policy.yaml"), "--validate=strict")
    assert applied.returncode == 0, applied.stderr
    end = time.monotonic() + 60
    while "in production" not in _try(server, "vision", UNSAFE["unproven"][0]).stderr:
        assert time.monotonic() < end, "the policy is not in force"
        time.sleep(0.5)
    for name, (change, sentence) in UNSAFE.items():
        refused = _try(server, "vision", change)
        assert refused.returncode != 0, name
        assert sentence in refused.stderr, name
        allowed = _try(server, "vision-lab", change)
        assert allowed.returncode == 0, allowed.stderr
    for safe in SAFE:
        assert _try(server, "vision", safe).returncode == 0, safe


def _try(server: Bare, namespace: str, change: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    body = manifest()
    body["metadata"]["namespace"] = namespace
    body["spec"]["steps"] = [{"weight": 5, "hold": "10m"}]
    body["spec"] |= change
    return kubectl(server, "apply", "-f", "-", "--dry-run=server", text=yaml.safe_dump(body))


def test_kyverno_asks_the_same():
    policy = next(yaml.safe_load_all((EXAMPLES / "policies/admission-policy.yaml").read_text()))
    (rule,) = yaml.safe_load((EXAMPLES / "policies/kyverno.yaml").read_text())["spec"]["rules"]
    assert rule["validate"]["cel"]["expressions"] == policy["spec"]["validations"]


@pytest.mark.parametrize("broken", [False, True], ids=["clean", "broken"])
def test_the_workflow_ends_as_lint_does(broken: bool, tmp_path: Path):
    shutil.copytree(EXAMPLES / "kustomize", tmp_path / "models")
    if broken:
        rollout = tmp_path / "models/base/rollout.yaml"
        rollout.write_text(rollout.read_text().replace("weight: 25", "weight: 2"))
    workflow = yaml.safe_load((EXAMPLES / "github-actions/lint-models.yaml").read_text())
    script = workflow["jobs"]["lint"]["steps"][-1]["run"]
    env = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (ran.returncode != 0) == broken, ran.stderr
    assert ("spec.steps" in ran.stdout) == broken


def test_the_hook_of_pre_commit_lints_what_it_is_given(tmp_path: Path):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    rollout = tmp_path / "rollout.yaml"
    rollout.write_text((EXAMPLES / "kustomize/base/rollout.yaml").read_text().replace("weight: 25", "weight: 2"))
    program, *given = shlex.split(hook["entry"])
    ran = subprocess.run([BIN / program, *given, rollout], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert f"{rollout}:" in ran.stdout
