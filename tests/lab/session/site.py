"""Where the parts of a running lab are: addresses and files only, so that another process can join it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab.install.kubernetes_release import Version
from tests.lab.session.door import Door


@dataclass(frozen=True)
class Site:
    """`api` is the address for everybody (EndpointSlices as v1), `bare_api` the API server's own, of `kubernetes`."""

    folder: Path
    mark: str
    api: str
    bare_api: str
    kubernetes: str
    authority: Path
    admin_token: str
    kubeconfig: Path
    gateway: str
    gateway_metrics: str
    prometheus: str
    targets: Path
    model_python: Path

    @property
    def version(self) -> Version:
        """Of Kubernetes."""
        return Version.read(self.kubernetes)

    @property
    def door(self) -> Door:
        """Traefik's Gateway that all share."""
        return Door("infra", "inference", self.gateway, self.gateway_metrics)

    def write(self) -> Path:
        """Write site.json into the lab's folder; it holds the admin token, so only its owner may read it."""
        path = self.folder / "site.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({key: str(value) for key, value in asdict(self).items()}, indent=1))
        return path

    @classmethod
    def read(cls, path: Path) -> Site:
        facts = json.loads(path.read_text())
        for key in ("folder", "authority", "kubeconfig", "targets", "model_python"):
            facts[key] = Path(facts[key])
        return cls(**facts)
