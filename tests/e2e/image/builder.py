"""The Dockerfile's image without a registry: its base is made from Debian's packages, and its root is a folder here.

buildah builds it as root, in chroot isolation and on plain folders (vfs), so that it needs neither a container engine
nor rights that a CI's container lacks. All of it lies in one folder, and goes with it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import ROOT
from tests.lab import run

TOOLS = ("buildah", "mmdebstrap")
PACKAGES = "python3,python3-venv,libstdc++6"
LEFT_OUT = ("man", "doc", "locale")
CERTIFICATES = "/etc/ssl/certs"
ISOLATED = {"BUILDAH_ISOLATION": "chroot"}


def refusal() -> str:
    """Why no image can be built here; "" where one can."""
    if os.geteuid() != 0:
        return "buildah and mmdebstrap build the image as root, and this is another user"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and shutil.which("apt-get") is None:
        return f"{' and '.join(missing)} not found, and no apt-get to install what is missing"
    return ""


@dataclass(frozen=True)
class Image:
    """A built image: where its root is, what it says about itself, and its size and that of its base in bytes."""

    root: Path
    config: dict[str, Any]
    size: int
    base_size: int

    @property
    def user(self) -> tuple[int, int]:
        """(uid, gid) that it runs as."""
        uid, gid = self.config["User"].split(":")
        return int(uid), int(gid)

    @property
    def env(self) -> dict[str, str]:
        return dict(each.partition("=")[::2] for each in self.config["Env"])

    def enter(self) -> list[str]:
        """The words before a command that make it one in the image, as its user."""
        return ["chroot", f"--userspec={self.config['User']}", str(self.root)]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in the image, to its end."""
        return subprocess.run(
            [*self.enter(), *command], env=self.env, capture_output=True, text=True, timeout=60, check=False
        )


def build(folder: Path) -> Image:
    """The image in `folder`, which must be new. Raises RuntimeError with what a tool said last."""
    folder.mkdir(parents=True)
    log = folder / "build.log"
    if [tool for tool in TOOLS if shutil.which(tool) is None]:
        run("installing buildah and mmdebstrap", ["apt-get", "install", "-y", "--no-install-recommends", *TOOLS], log)
    name, base = _container(folder, "scratch")
    without = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in LEFT_OUT]
    bootstrap = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={PACKAGES}", *without]
    run("a base of Debian packages for the image", [*bootstrap, "bookworm", str(base)], log)
    _buildah(folder, "commit", "--quiet", name, "localhost/base")
    given = ["--network=host", f"--volume={CERTIFICATES}:{CERTIFICATES}:ro", "--build-arg=BASE=localhost/base"]
    bud = ["bud", "--layers=false", *given, "--tag=localhost/operator", str(ROOT)]
    run("the image on that base", _command(folder, *bud), log, env=os.environ | ISOLATED)
    _, root = _container(folder, "localhost/operator")
    about = json.loads(_buildah(folder, "inspect", "--type=image", "localhost/operator"))
    return Image(root, about["OCIv1"]["config"], _bytes(root), _bytes(base))


def _container(folder: Path, image: str) -> tuple[str, Path]:
    """A working container: its name, and its root."""
    name = _buildah(folder, "from", "--pull-never", image)
    return name, Path(_buildah(folder, "mount", name))


def _command(folder: Path, *arguments: str) -> list[str]:
    where = [f"--root={folder / 'storage'}", f"--runroot={folder / 'run'}", "--storage-driver=vfs"]
    return ["buildah", *where, *arguments]


def _buildah(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        _command(folder, *arguments),
        env=os.environ | ISOLATED,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"buildah {arguments[0]} failed: {done.stderr[-2000:]}")
    return done.stdout.strip()


def _bytes(root: Path) -> int:
    """Of all files, each counted once."""
    return int(subprocess.run(["du", "-sb", str(root)], capture_output=True, text=True, check=True).stdout.split()[0])
