"""An API server of their own: the definition comes and goes here, which a shared lab would not survive.

One worker tells all of them (tests/workers.py), so one is started; every module finds it without definitions.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest

from modelrollout.api.base import GROUP, PLURAL
from tests.lab import Certificates, ControlPlane, Guardian, Kube, Version, provision, release, write_kubeconfig

HOME = "rollouts"  # the operator's own namespace
DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


@dataclass(frozen=True)
class Bare:
    """A control plane without definitions and resources of ours; namespaces of earlier modules stay."""

    kube: Kube
    kubeconfig: Path
    control: ControlPlane

    @property
    def version(self) -> Version:
        """Of Kubernetes."""
        return release().version


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    provision()
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


@pytest.fixture(scope="module")
def bare(plane: Bare) -> Iterator[Bare]:
    """Definitions made here go at the end of the module, and every resource with them."""
    yield plane
    names = {each["metadata"]["name"] for each in plane.kube.list(*DEFINITION)}
    for name in names:
        plane.kube.delete(*DEFINITION, None, name)
    # An API server keeps what a definition was stored with for two minutes where a request on it is under way.
    end = time.monotonic() + 300
    while left := names & {each["metadata"]["name"] for each in plane.kube.list(*DEFINITION)}:
        assert time.monotonic() < end, f"not deleted within 300 s: {left}"
        time.sleep(0.1)


@contextmanager
def chart_in_force(
    bare: Bare, chart: Path, values: Mapping[str, Any], namespaces: Sequence[str]
) -> Iterator[helm.Config]:
    """The chart as release `mro` in HOME, its definition served; gone afterwards, also where a test's setup fails.

    `values` get releaseOnUninstall: false, since its Job would wait for a kubelet, and there is none.
    """
    for name in (HOME, *namespaces):
        bare.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    with helm.Config(kubeconfig_path=str(bare.kubeconfig), namespace=HOME) as config:
        try:
            config.install(str(chart), "mro", {**values, "releaseOnUninstall": False}, namespace=HOME)
            bare.kube.wait_served([f"/apis/{GROUP}/v1alpha1/{PLURAL}"])
            yield config
        finally:
            config.uninstall("mro", timeout=30)
