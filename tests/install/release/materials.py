"""The bill of materials of the image (CycloneDX): the operator's lock, as one version of Python installs it."""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from tests import ROOT

LOCK = ROOT / "requirements" / "operator.lock"
TOOLS = ROOT / ".venv-release" / "bin"
_PIN = re.compile(r"^(?P<pin>[A-Za-z0-9._-]+==\S+) ; (?P<marker>[^\\]+?)(?P<rest> \\)?$")


def python_of_the_image() -> str:
    """The version of Python in the Dockerfile's base, such as 3.12.11."""
    found = re.search(r"^ARG BASE=\S*python:([\d.]+)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found, "the Dockerfile's base does not name its Python"
    return found[1]


def installed_with(lock: str, python: str) -> str:
    """The lock without what this version of Python (3.12.11) on Linux does not install, and without conditions."""
    about = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python, "sys_platform": "linux"}
    lines, keep = [], True
    for line in lock.splitlines():
        found = _PIN.match(line)
        if not line.startswith((" ", "#")):
            keep = found is None or Marker(found["marker"]).evaluate(about)
        if keep:
            lines.append(f"{found['pin']}{found['rest'] or ''}" if found else line)
    return "\n".join(lines) + "\n"


def install_tools() -> None:
    """What `make release` makes with, into TOOLS: once, whoever of several test workers comes first."""
    (ROOT / ".lab").mkdir(exist_ok=True)
    with (ROOT / ".lab" / "release.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", ".venv-release/.ready"], cwd=ROOT, check=True, timeout=300)


def bill_of_materials(python: str | None = None) -> dict[str, Any]:
    """CycloneDX 1.6, with the hashes that pip checks; the same for the same lock. RuntimeError where it is not made."""
    install_tools()
    given = [f"--pyproject={ROOT / 'pyproject.toml'}", "--sv=1.6", "--of=JSON", "--output-reproducible", "-"]
    lock = installed_with(LOCK.read_text(), python or python_of_the_image())
    done = subprocess.run(
        [str(TOOLS / "cyclonedx-py"), "requirements", *given],
        input=lock,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"no bill of materials: {done.stderr[-2000:]}")
    bill: dict[str, Any] = json.loads(done.stdout)
    for each in bill["components"]:
        del each["description"]  # the lock's own line, hashes and all, which stand in their own fields too
    return bill


def versions(bill: dict[str, Any]) -> dict[str, str]:
    """Each distribution that the bill names, itself included, by its canonical name."""
    named = [bill["metadata"]["component"], *bill["components"]]
    return {canonicalize_name(each["name"]): each["version"] for each in named}
