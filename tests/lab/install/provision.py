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
from tests.lab.install import apiserver_build
from tests.lab.install.cache import cache_folder, locked
from tests.lab.install.triton_install import triton_installation

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = Path("/usr/sbin/policy-rc.d")
#: Debian package: what shows that it is there.
_RUN = {"etcd-server": "etcd", "prometheus": "prometheus", "openssl": "openssl"}
_BUILD = {"golang-go": "go", "rsync": "rsync", "jq": "jq", "make": "make"}


def missing_packages() -> list[str]:
    """Debian packages the lab needs on this machine and does not find."""
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS", "/nonexistent"))
    missing = [
        package
        for package, command in _RUN.items()
        if shutil.which(command) is None and not (assets / command).is_file()
    ]
    if ctypes.util.find_library(f"python{_python()}") is None:
        missing.append(f"libpython{_python()}")
    if not apiserver_build.is_built():
        missing += [package for package, command in _BUILD.items() if shutil.which(command) is None]
        if not apiserver_build.REFLECT2.is_dir():
            missing.append("golang-github-modern-go-reflect2-dev")
    return missing


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
    install_packages()
    for name in apiserver_build.BINARIES if not os.environ.get("KUBEBUILDER_ASSETS") else ("kube-apiserver",):
        apiserver_build.kube_binary(name)
    triton_installation()


if __name__ == "__main__":
    provision()
    progress.say(f"all is there (cache: {cache_folder()})")
