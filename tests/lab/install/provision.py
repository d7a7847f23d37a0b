"""What the lab needs from outside Python is installed here, by name, and no service that a package brings is started.

`python -m tests.lab.install.provision` installs and builds everything the first start would, with progress.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import progress
from tests.lab.install import debian_source, gateway_definitions
from tests.lab.install.cache import cache_folder, locked
from tests.lab.install.envoy_gateway_program import ENVOY_GATEWAY, envoy_gateway_refusal
from tests.lab.install.kubernetes_release import BINARIES, DEBIAN, MODULES, release
from tests.lab.install.triton_install import triton_installation

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = Path("/usr/sbin/policy-rc.d")
#: Debian package: what shows that it is there.
_RUN = {"prometheus": "prometheus", "openssl": "openssl", "chromium": "chromium"}
_BUILD = {"rsync": "rsync", "jq": "jq", "make": "make"}


def missing_packages() -> list[str]:
    """Debian packages the lab needs on this machine and does not find."""
    missing = [package for package, command in _RUN.items() if shutil.which(command) is None]
    if not _has_etcd():
        missing.append("etcd-server")
    if ctypes.util.find_library(f"python{_python()}") is None:
        missing.append(f"libpython{_python()}")
    if release().origin == DEBIAN and not release().is_built:
        missing += [package for package, command in _BUILD.items() if shutil.which(command) is None]
        if debian_source.go_folder() is None:
            missing.append("golang-go")
        if not debian_source.REFLECT2.is_dir():
            missing.append("golang-github-modern-go-reflect2-dev")
    return missing


def _has_etcd() -> bool:
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS", "/nonexistent"))
    return release().origin == MODULES or shutil.which("etcd") is not None or (assets / "etcd").is_file()


def install_packages() -> None:
    """Install what is missing with apt-get. PermissionError with the command to type when not root."""
    missing = missing_packages()
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if shutil.which("apt-get") is None:
        raise RuntimeError(
            f"these Debian packages are missing and there is no apt-get: {', '.join(missing)}; install "
            "what carries them on this system (etcd and kube-apiserver can come by KUBEBUILDER_ASSETS)"
        )
    if os.geteuid() != 0:
        raise PermissionError(f"the lab needs more Debian packages; type: sudo {' '.join(command)}")
    log = cache_folder() / "apt.log"
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with locked("apt"), _no_services():
        progress.run("reading package lists", ["apt-get", "update"], log, env=env, deadline=300)
        progress.run(f"installing {', '.join(missing)}", command, log, env=env, deadline=900)


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Debian asks this file before it starts a service; an administrator's own file is left as it is."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def provision() -> None:
    """Everything: packages, API server, model server. Seconds when all is there, else several minutes."""
    if release().why:
        progress.say(release().why)
    install_packages()
    for name in BINARIES if release().origin in (DEBIAN, MODULES) else ("kube-apiserver", "etcd"):
        release().binary(name)
    if release().version.has_rules:
        gateway_definitions.definitions()
    triton_installation()


def provision_on_demand() -> None:
    """What a lab starts for those who ask alone: Envoy Gateway, where it can be built."""
    refused = envoy_gateway_refusal()
    if refused:
        progress.say(f"no Envoy Gateway, and no test of it: {refused}")
    else:
        ENVOY_GATEWAY.build()


if __name__ == "__main__":
    provision()
    provision_on_demand()
    progress.say(f"all is there, {release()} (cache: {cache_folder()})")
