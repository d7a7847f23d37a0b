"""etcd and the API server (RBAC real) start together; the server is reached by TLS and tokens, never anonymously."""

from __future__ import annotations

import secrets
import subprocess
import urllib.request
from typing import TYPE_CHECKING

from tests.lab.components.audit import audit_arguments
from tests.lab.install.kubernetes_release import release
from tests.lab.processes.process import Process, answers, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.components.certificates import Certificates


class ControlPlane:
    """One etcd, one kube-apiserver, on demand one kube-controller-manager."""

    def __init__(self, folder: Path, mark: str, certificates: Certificates) -> None:
        self.folder, self.mark, self.certificates = folder, mark, certificates
        self.admin_token = secrets.token_hex(16)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=certificates.client_context())
        )
        self.processes: list[Process] = []

    def start(self) -> None:
        """Return when /readyz says yes (2 to 4 s)."""
        self._etcd_port = free_port()
        etcd = Process("etcd", self._etcd_command(), self.folder, self.mark)
        self.processes.append(etcd)
        etcd.wait_ready(lambda: answers(f"http://127.0.0.1:{self._etcd_port}/health"))
        self._write_keys_and_tokens()
        self.apiserver = Process("kube-apiserver", self._apiserver_command(), self.folder, self.mark)
        self.processes.append(self.apiserver)
        self.apiserver.wait_ready(self._ready, deadline=180)

    def start_controllers(self, kubeconfig: Path) -> None:
        """Start the controllers that deletion needs: garbage collection and namespaces."""
        manager = Process(
            "kube-controller-manager",
            [
                str(release().binary("kube-controller-manager")),
                f"--kubeconfig={kubeconfig}",
                "--leader-elect=false",
                "--controllers=garbagecollector,namespace",
                "--bind-address=127.0.0.1",
                f"--secure-port={free_port()}",
                *(["--port=0"] if release().version.has_insecure_port else []),
                f"--cert-dir={self.folder / 'controllers'}",
                f"--authentication-kubeconfig={kubeconfig}",
                f"--authorization-kubeconfig={kubeconfig}",
            ],
            self.folder,
            self.mark,
        )
        self.processes.append(manager)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()

    def _ready(self) -> bool:
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self.admin_token}"})
        try:
            with self._opener.open(request, timeout=1) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _etcd_command(self) -> list[str]:
        url, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        # Nothing in a lab outlives it, so there is no point in waiting for the disk.
        return [
            str(release().binary("etcd")),
            "--unsafe-no-fsync",
            f"--data-dir={self.folder / 'etcd'}",
            "--log-level=warn",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _write_keys_and_tokens(self) -> None:
        subprocess.run(
            ["openssl", "genrsa", "-out", str(self.folder / "sa.key"), "2048"], check=True, capture_output=True
        )
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f'{self.admin_token},lab-admin,lab-admin,"system:masters"\n')
        tokens.chmod(0o600)

    def _apiserver_command(self) -> list[str]:
        key = self.folder / "sa.key"
        return [
            str(release().binary("kube-apiserver")),
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            # Required, and it may not be a loopback address; with the reconciler off nobody connects to it.
            "--advertise-address=10.77.0.1",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.certificates.certificate}",
            f"--tls-private-key-file={self.certificates.key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--api-audiences=api",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            "--service-cluster-ip-range=10.78.0.0/16",
            # There are no Pods to mount tokens into, and no controller that would make them.
            "--disable-admission-plugins=ServiceAccount",
            "--profiling=false",
            *audit_arguments(self.folder, self.mark),
        ]
