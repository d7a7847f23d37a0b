"""The oldest Kubernetes that is supported is built once from Debian's source package, with Debian's Go.

<Two of the tree's vendored files do not survive a Go newer than the one they were written for; both are fixed
before the build (see `fix_reflect2` and `fix_nil_check`). `python -m tests.lab.install.debian_source` builds by hand.
>"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.lab import progress
from tests.lab.install.cache import cache_folder, locked

VERSION = "1.20.2"
#: Raise it when the recipe changes, so that old results are not taken for new ones.
RECIPE = 1
BINARIES = ("kube-apiserver", "kube-controller-manager")
REFLECT2 = Path("/usr/share/gocode/src/github.com/modern-go/reflect2")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def kube_binary(name: str) -> Path:
    """Path of one of BINARIES, built on first use (minutes)."""
    if not (_folder() / name).is_file():
        with locked("kubernetes"):
            if not (_folder() / name).is_file():
                _build(_folder())
    return _folder() / name


def is_built() -> bool:
    return all((_folder() / name).is_file() for name in BINARIES)


def go_folder() -> Path | None:
    """Where Debian's Go is; a newer one, first on PATH, is not trusted with a tree of 2021."""
    return next((path.parent for path in sorted(Path("/usr/lib").glob("go-1.*/bin/go"))), None)


def _folder() -> Path:
    return cache_folder() / f"kubernetes-{VERSION}-r{RECIPE}"


def _build(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    log.unlink(missing_ok=True)
    progress.say(f"building Kubernetes {VERSION} once from source (about 6 minutes on 2 cores); log: {log}")
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as name:
        work = Path(name)
        tree = _unpack(_download(work, log), work)
        fix_reflect2(tree)
        fix_nil_check(tree)
        env = _go_environment(work)
        progress.run("generating Kubernetes code", ["nice", "make", "generated_files"], log, cwd=tree, env=env)
        for binary in BINARIES:
            _compile(binary, tree, folder, log, env)
        # Go marks its caches read-only, which would stop the folder's removal.
        subprocess.run(["chmod", "-R", "u+w", str(work)], check=True)


def _download(work: Path, log: Path) -> Path:
    """Fetch the source package through apt (which verifies its signature) with private lists; returns the tarball."""
    sources = work / "sources.list"
    sources.write_text("".join(f"deb-src {line}\n" for line in _source_lines()))
    for part in ("lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True)
    apt = [
        "apt-get",
        "-o",
        f"Dir::Etc::SourceList={sources}",
        "-o",
        "Dir::Etc::SourceParts=/dev/null",
        "-o",
        f"Dir::State::Lists={work / 'lists'}",
        "-o",
        f"Dir::Cache={work / 'cache'}",
    ]
    if os.geteuid() == 0:
        apt += ["-o", "APT::Sandbox::User=root"]
    progress.run("reading the list of source packages", [*apt, "update"], log, cwd=work, deadline=300)
    progress.run(
        "fetching the Kubernetes source package",
        [*apt, "source", "--download-only", "kubernetes"],
        log,
        cwd=work,
        deadline=600,
    )
    tarballs = sorted(work.glob("kubernetes_*.orig.tar.*"))
    tarballs = [path for path in tarballs if path.suffix != ".asc"]
    if not tarballs:
        raise RuntimeError(f"apt fetched no kubernetes source; {log} ends with:\n{progress.tail(log)}")
    return tarballs[0]


def _source_lines() -> list[str]:
    """deb-src lines for the Debian archives this system already installs from."""
    form = "$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(ORIGIN)"
    found = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    option = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    lines = []
    for uri, codename, component, origin in (line.split("|", 3) for line in found):
        if origin == "Debian" and component == "main":
            lines.append(f"{option}{uri} {codename} {component}")
    if not lines:
        raise RuntimeError(
            "no Debian archive is configured for apt; set KUBEBUILDER_ASSETS to a folder with "
            "etcd and kube-apiserver instead"
        )
    return lines


def _unpack(tarball: Path, work: Path) -> Path:
    tree = work / "go" / "src" / "k8s.io" / "kubernetes"
    tree.parent.mkdir(parents=True)
    progress.say("unpacking")
    with tarfile.open(tarball) as archive:
        archive.extractall(work / "unpacked", filter="tar")
    (top,) = (work / "unpacked").iterdir()
    top.rename(tree)
    return tree


def fix_reflect2(tree: Path) -> None:
    """The vendored reflect2 reads Go's map layout by hand and crashes when built with Go >= 1.18; Debian's does not."""
    if not REFLECT2.is_dir():
        raise FileNotFoundError(f"{REFLECT2} is missing; install golang-github-modern-go-reflect2-dev")
    vendored = tree / "vendor/github.com/modern-go/reflect2"
    shutil.rmtree(vendored)
    shutil.copytree(REFLECT2, vendored, symlinks=False)


def fix_nil_check(tree: Path) -> None:
    """Built with Go >= 1.18 the validator takes every empty string for null; only a nil interface is null."""
    path = tree / "vendor/k8s.io/kube-openapi/pkg/validation/validate/type.go"
    old = "if data == nil || reflect.DeepEqual(reflect.Zero(reflect.TypeOf(data)), reflect.ValueOf(data)) {"
    text = path.read_text()
    if old not in text:
        raise RuntimeError(f"{path.name} is not the one this recipe knows; set KUBEBUILDER_ASSETS instead")
    path.write_text(text.replace(old, "if data == nil {"))


def _go_environment(work: Path) -> dict[str, str]:
    found = go_folder()
    if found is None:
        raise FileNotFoundError("Debian's Go is not installed; run `python -m tests.lab.install.provision` as root")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("GO", "CGO"))}
    return env | {
        "PATH": f"{found}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
        "GOPATH": str(work / "go"),
        "GOCACHE": str(work / "gocache"),
        "GOFLAGS": "",
    }


def _compile(binary: str, tree: Path, folder: Path, log: Path, env: dict[str, str]) -> None:
    major, minor, _ = VERSION.split(".")
    package = "k8s.io/component-base/version"
    flags = f"-s -w -X {package}.gitVersion=v{VERSION} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    half = folder / f".{binary}.half"
    command = ["nice", "go", "build", "-ldflags", flags, "-o", str(half), f"./cmd/{binary}"]
    progress.run(f"building {binary}", command, log, cwd=tree, env=env)
    half.rename(folder / binary)


if __name__ == "__main__":
    for each in BINARIES:
        progress.say(f"{each}: {kube_binary(each)}")
