"""What defines the kinds of other tools that pages and examples use comes with those tools' Go modules.

Only the archives are fetched: what is in them is not compiled, so no newer Go than the lab's is needed.
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.lab import progress
from tests.lab.install import go_toolchain
from tests.lab.install.cache import cache_folder, locked


class _Module(NamedTuple):
    path: str
    version: str
    digest: str
    """As go.sum has it."""
    file: str


_MODULES: Final = {
    "Application": _Module(
        "github.com/argoproj/argo-cd/v3",
        "v3.6.1",
        "h1:OmhqeKiR3C//awbFrhQqFdtRI+Qiv17j8vqm3UkMj/g=",
        "manifests/crds/application-crd.yaml",
    ),
    "Kustomization": _Module(
        "github.com/fluxcd/kustomize-controller",
        "v1.10.1",
        "h1:IjTnrkIy0ULJoTNC2ZKuMb32vkqj7dJ6zt6UqbTFxKA=",
        "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
    ),
    "ClusterPolicy": _Module(
        "github.com/kyverno/kyverno",
        "v1.19.1",
        "h1:/MkgFii3/VlQfKR1JpC9tVwNNVNQTt2S4U6qCsafsTU=",
        "cmd/cli/kubectl-kyverno/data/crds/kyverno.io_clusterpolicies.yaml",
    ),
    "PodMonitor": _Module(
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
    "Telemetry": _Module(
        "istio.io/api",
        "v1.32.0",
        "h1:37mJvg9I0biYZAEQF+MATs4FNeCpXEIVO3LFpVb6iNM=",
        "kubernetes/customresourcedefinitions.gen.yaml",
    ),
}


def tool_definition(kind: str) -> dict[str, Any] | None:
    """A CustomResourceDefinition, fetched on first use (seconds); None where there are no Go modules."""
    module = _MODULES[kind]
    kept = cache_folder() / f"definition-{kind}-{module.version}.json"
    if not kept.is_file():
        with locked("definitions"):
            if not kept.is_file():
                if go_toolchain.go_refusal(f"{module.path}@{module.version}"):
                    return None
                _fetch(kind, module, kept)
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def _fetch(kind: str, module: _Module, kept: Path) -> None:
    """Go says in its answer that it is too old for some of them, with the archive fetched and hashed all the same."""
    progress.say(f"fetching {module.path} {module.version} for its definitions")
    ask = ["go", "mod", "download", "-json", f"{module.path}@{module.version}"]
    env = go_toolchain.go_environment() | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    answer = subprocess.run(ask, cwd="/", env=env, capture_output=True, text=True, check=False, timeout=600)
    archive = Path(json.loads(answer.stdout)["Zip"])
    digest = archive.with_suffix(".ziphash").read_text().strip()
    if digest != module.digest:
        raise RuntimeError(f"{module.path} {module.version} is {digest}, where {module.digest} is expected")
    with zipfile.ZipFile(archive) as opened:
        text = opened.read(f"{module.path}@{module.version}/{module.file}")
    every = [body for body in yaml.safe_load_all(text) if body]
    (found,) = (body for body in every if body["spec"]["names"]["kind"] == kind)
    half = kept.with_suffix(".half")
    half.write_text(json.dumps(found))
    half.rename(kept)
