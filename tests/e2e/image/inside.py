"""The operator of the image, started in its root as its user, with what it reads copied there."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.lab import execute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.e2e.image.builder import Image
    from tests.lab import Child, Spawn

MOUNTED = "etc/modelrollout"
ENV = ("POD_NAME", "POD_NAMESPACE", "MODELROLLOUT_LAB_ID")


def inside(image: Image) -> Spawn:
    """Starts the image's entry point in place of the checkout's operator, with the same arguments."""

    def spawn(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Child:
        arguments = [_carried(image, each) for each in command[3:]]  # after PYTHON -m modelrollout
        given = image.env | {name: env[name] for name in ENV}
        return execute([*image.enter(), *image.config["Entrypoint"], *arguments], cwd=cwd, env=given, log=log)

    return spawn


def _carried(image: Image, argument: str) -> str:
    """An argument that names a file, which is copied into the image; any other as it is."""
    option, _, value = argument.partition("=")
    if option not in ("--config", "--kubeconfig"):
        return argument
    source = Path(value)
    target = image.root / MOUNTED / f"{option[2:]}.yaml"
    target.parent.mkdir(exist_ok=True)
    target.write_text(_whole(source) if option == "--kubeconfig" else source.read_text())
    os.chown(target, *image.user)
    target.chmod(0o400)
    return f"{option}=/{target.relative_to(image.root)}"


def _whole(kubeconfig: Path) -> str:
    """The kubeconfig with its authority in it, since the image has no such file."""
    found = yaml.safe_load(kubeconfig.read_text())
    for each in found["clusters"]:
        authority = Path(each["cluster"].pop("certificate-authority"))
        each["cluster"]["certificate-authority-data"] = base64.b64encode(authority.read_bytes()).decode()
    return yaml.safe_dump(found)
