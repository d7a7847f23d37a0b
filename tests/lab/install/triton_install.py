"""tritonserver comes from the nvidia-pytriton wheel into its own environment, because it pins an older numpy.

That environment has a lock of its own, requirements/triton.lock; another lock is another installation.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import venv
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests import ROOT
from tests.lab import progress
from tests.lab.install.cache import cache_folder, locked

RECIPE = 1
LOCK = ROOT / "requirements/triton.lock"


@dataclass(frozen=True)
class TritonInstallation:
    """Paths: the server binary, its backends (with the stub in place), its libraries, its Python packages."""

    server: Path
    backends: Path
    libraries: Path
    packages: Path

    def environment(self, python: Path) -> dict[str, str]:
        """What the server must find: its libraries, and `python` (a virtual environment) first on PATH for the stub."""
        return {
            "LD_LIBRARY_PATH": str(self.libraries),
            "PATH": f"{python / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }


def triton_installation() -> TritonInstallation:
    """Install on first use (about a minute), from the cache afterwards."""
    series = f"{sys.version_info.major}.{sys.version_info.minor}"
    locked_as = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = cache_folder() / f"triton-{locked_as}-py{series}-r{RECIPE}"
    if not folder.is_dir():
        with locked("triton"):
            if not folder.is_dir():
                _install(folder, series)
    packages = folder / "venv/lib" / f"python{series}" / "site-packages"
    return TritonInstallation(
        server=packages / "pytriton/tritonserver/bin/tritonserver",
        backends=folder / "backends",
        libraries=packages / "nvidia_pytriton.libs",
        packages=packages,
    )


def _install(folder: Path, series: str) -> None:
    half = folder.with_name(f".{folder.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    log = folder.parent / "triton-install.log"
    venv.EnvBuilder(with_pip=True, symlinks=True).create(half / "venv")
    progress.run(
        "installing tritonserver (nvidia-pytriton)",
        [
            str(half / "venv/bin/python"),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--require-hashes",
            "--requirement",
            str(LOCK),
        ],
        log,
    )
    bundled = half / "venv/lib" / f"python{series}" / "site-packages/pytriton/tritonserver"
    stub = bundled / "python_backend_stubs" / series / "triton_python_backend_stub"
    if not stub.is_file():
        raise RuntimeError(
            f"nvidia-pytriton has no Python {series} stub; use a Python it has: "
            f"{', '.join(sorted(path.name for path in stub.parents[1].iterdir()))}"
        )
    shutil.copytree(bundled / "backends", half / "backends")
    shutil.copy2(stub, half / "backends/python")
    half.rename(folder)


def model_python(folder: Path, installation: TritonInstallation) -> Path:
    """A virtual environment for model code: the server's packages, this checkout's activation-health, ONNX Runtime.

    It is the lab's own, so that two checkouts never see each other's telemetry.
    """
    venv.EnvBuilder(symlinks=True).create(folder)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "lab.pth").write_text(f"{installation.packages}\n{ROOT / 'telemetry'}\n")
    runtime = find_spec("onnxruntime")  # the tests' own: the server's packages have none
    if runtime is not None and runtime.origin:
        (site / "onnxruntime").symlink_to(Path(runtime.origin).parent)
    return folder
