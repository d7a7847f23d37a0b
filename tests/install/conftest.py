"""An API server of its own: the definition comes and goes here, which a shared lab would not survive."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import provision
from tests.lab.certificates import Certificates
from tests.lab.control_plane import ControlPlane
from tests.lab.guardian import Guardian
from tests.lab.kube import Kube, write_kubeconfig


@dataclass(frozen=True)
class Bare:
    """A control plane without anything in it."""

    kube: Kube
    kubeconfig: Path
    control: ControlPlane


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    provision.provision()
    folder = tmp_path_factory.mktemp("bare")
    mark = f"modelrollout-lab-{secrets.token_hex(5)}"
    guardian = Guardian(mark, folder)
    control = ControlPlane(folder, mark, Certificates.create(folder / "certificates"))
    try:
        control.start()
        authority = control.certificates.authority
        kubeconfig = write_kubeconfig(folder / "kubeconfig", control.url, authority, control.admin_token)
        kube = Kube(kubeconfig)
        yield Bare(kube, kubeconfig, control)
        kube.close()
    finally:
        control.stop()
        guardian.dismiss()
