"""Which Kubernetes the lab runs: $KUBEBUILDER_ASSETS, else $KUBERNETES, else the newest that can be built here.

What differs between two versions is asked of Version; nobody asks where the binaries came from.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.lab.install import debian_source, go_modules

BINARIES = ("kube-apiserver", "kube-controller-manager", "etcd")


class Version(NamedTuple):
    """Such as (1, 36, 3), by what it can do."""

    major: int
    minor: int
    patch: int

    @classmethod
    def read(cls, text: str) -> Version:
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
        if found is None:
            raise ValueError(f"{text!r} names no version of Kubernetes, such as 1.36.3")
        return cls(*(int(part) for part in found.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def has_rules(self) -> bool:
        """It evaluates the CEL rules of a CustomResourceDefinition; older ones drop them."""
        return self >= (1, 25)

    @property
    def has_policies(self) -> bool:
        """It has ValidatingAdmissionPolicy."""
        return self >= (1, 30)

    @property
    def has_stamps(self) -> bool:
        """It has MutatingAdmissionPolicy as v1."""
        return self >= (1, 36)

    @property
    def has_slices_v1(self) -> bool:
        """It serves EndpointSlices as v1, which may not name loopback addresses."""
        return self >= (1, 21)

    @property
    def has_slices_v1beta1(self) -> bool:
        return self < (1, 25)

    @property
    def has_insecure_port(self) -> bool:
        """The controller manager listens in plain text unless a flag turns that off."""
        return self < (1, 24)


@dataclass(frozen=True)
class Release:
    """`origin` says where it comes from, `why` why it is not the newest one."""

    version: Version
    origin: str
    why: str = ""

    def __str__(self) -> str:
        return f"Kubernetes {self.version} ({self.origin})"

    @property
    def is_built(self) -> bool:
        """Whether all its binaries are there."""
        if self.origin == MODULES:
            return go_modules.is_built()
        return self.origin == ASSETS or debian_source.is_built()

    def binary(self, name: str) -> Path:
        """One of BINARIES; built on first use (minutes) where that is the way to get it."""
        if self.origin == MODULES:
            return go_modules.binary(name)
        if self.origin == ASSETS:
            found = Path(os.environ["KUBEBUILDER_ASSETS"]) / name
            if found.is_file() or name != "etcd":
                return _existing(found)
        return _debian_etcd() if name == "etcd" else debian_source.kube_binary(name)


ASSETS, MODULES, DEBIAN = "$KUBEBUILDER_ASSETS", "Go modules", "Debian's source package"


@functools.cache
def release() -> Release:
    """The one that this process and its children run."""
    if os.environ.get("KUBEBUILDER_ASSETS"):
        return Release(_version_of(Path(os.environ["KUBEBUILDER_ASSETS"]) / "kube-apiserver"), ASSETS)
    newest = Release(Version.read(go_modules.version()), MODULES)
    asked = os.environ.get("KUBERNETES", "")
    if asked in _names(newest.version) or (not asked and go_modules.is_built()):
        return newest
    oldest = Version.read(debian_source.VERSION)
    if asked in _names(oldest):
        return Release(oldest, DEBIAN)
    if asked:
        raise ValueError(f"KUBERNETES is {asked!r}; the lab knows {newest.version} and {oldest}")
    refused = go_modules.refusal()
    if not refused:
        return newest
    return Release(oldest, DEBIAN, f"Kubernetes {oldest} instead of {newest.version}: {refused}")


def _names(version: Version) -> tuple[str, str]:
    return str(version), f"{version.major}.{version.minor}"


def _version_of(server: Path) -> Version:
    answer = subprocess.run([str(_existing(server)), "--version"], capture_output=True, text=True, check=True)
    return Version.read(answer.stdout)


def _existing(binary: Path) -> Path:
    if not binary.is_file():
        raise FileNotFoundError(
            f"KUBEBUILDER_ASSETS is {str(binary.parent)!r}, but it has no {binary.name}; add it, or unset the variable"
        )
    return binary


def _debian_etcd() -> Path:
    found = shutil.which("etcd")
    if found is None:
        raise FileNotFoundError(
            "etcd is not installed; run `python -m tests.lab.install.provision` as root, or set KUBEBUILDER_ASSETS"
        )
    return Path(found)
