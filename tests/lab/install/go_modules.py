"""A Kubernetes of today and its etcd are built once from Go modules into the lab's cache.

Versions stand in the go.mod files below tests/lab/go and nowhere else; their go.sum files fix every byte of source.
"""

from __future__ import annotations

import functools
import hashlib
import re
import subprocess
import tempfile
from pathlib import Path

from tests.lab import progress
from tests.lab.install import go_toolchain
from tests.lab.install.cache import cache_folder, locked

FOLDER = Path(__file__).parents[1] / "go"
BINARIES = ("kube-apiserver", "kube-controller-manager", "etcd")
#: Raise it when the recipe changes, so that old results are not taken for new ones.
RECIPE = 1


@functools.cache
def required(module: str) -> tuple[str, str]:
    """(path, version) of the one module that tests/lab/go/`module` is there for."""
    found = re.search(r"^require (\S+) (v\S+)$", (FOLDER / module / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, f"{module}/go.mod has no single-line require"
    return found[1], found[2]


def version() -> str:
    """Of Kubernetes."""
    return required("kubernetes")[1].removeprefix("v")


@functools.cache
def folder() -> Path:
    """Where the binaries are kept: another one for every change of a go.mod, a go.sum or the recipe."""
    digest = hashlib.sha256(str(RECIPE).encode())
    for module in ("etcd", "kubernetes"):
        for path in sorted((FOLDER / module).iterdir()):
            digest.update(path.read_bytes())
    return cache_folder() / f"kubernetes-{version()}-{digest.hexdigest()[:8]}"


def is_built() -> bool:
    return all((folder() / name).is_file() for name in BINARIES)


def refusal() -> str:
    """Why nothing can be built here; "" where it can."""
    return go_toolchain.go_refusal("@".join(required("kubernetes")))


def binary(name: str) -> Path:
    """Path of one of BINARIES, built on first use (minutes)."""
    if not is_built():
        with locked("kubernetes-modules"):
            if not is_built():
                _build()
    return folder() / name


def _build() -> None:
    refused = refusal()
    if refused:
        raise RuntimeError(f"{refused}, so Kubernetes {version()} cannot be built; KUBERNETES=1.20 needs no Go modules")
    folder().mkdir(parents=True, exist_ok=True)
    log = folder() / "build.log"
    log.unlink(missing_ok=True)
    progress.say(f"building Kubernetes {version()} once from Go modules (about 6 minutes on 2 cores); log: {log}")
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder()) as name:
        half = Path(name)
        _compile("etcd", ["."], half, log)
        package, (major, minor, _) = "k8s.io/component-base/version", version().split(".")
        stamp = f"-X {package}.gitVersion=v{version()} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        programs = [f"k8s.io/kubernetes/cmd/{each}" for each in BINARIES if each.startswith("kube")]
        _compile("kubernetes", programs, half, log, stamp)
        for each in BINARIES:
            (half / each).rename(folder() / each)


def _compile(module: str, packages: list[str], into: Path, log: Path, stamp: str = "") -> None:
    """Build `packages` of tests/lab/go/`module`; Go's own cache keeps what a broken-off build has compiled."""
    where, env = FOLDER / module, go_toolchain.go_environment()
    title, needs = f"{module} {required(module)[1]}", ["go", "list", "-deps", *packages]
    progress.run(f"fetching the modules of {title}", needs, log, cwd=where, env=env)
    needed = subprocess.run(needs, cwd=where, env=env, capture_output=True, check=True).stdout.count(b"\n")
    # Without -buildvcs=false the state of this checkout would be part of etcd.
    flags = ["-v", "-buildvcs=false", "-ldflags", f"-s -w {stamp}".strip()]
    command = ["nice", "go", "build", *flags, "-o", f"{into}/", *packages]
    progress.run(f"building {title}", command, log, cwd=where, env=env, packages=needed)


if __name__ == "__main__":
    for program in BINARIES:
        progress.say(f"{program}: {binary(program)}")
