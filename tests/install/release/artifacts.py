"""What a release publishes, made from the checkout: `python -m tests.install.release.artifacts --url URL dist`."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import helm_python as helm

from tests import ROOT
from tests.install.release import plugin
from tests.install.release.materials import TOOLS, bill_of_materials, install_tools

URL = "https://example.com/modelrollout"
"""Stands for the place that Krew fetches from until `--url` says which it is."""
SUMS = "SHA256SUMS"
_SOURCES = {".": ("pyproject.toml", "README.md", "LICENSE", "operator"), "telemetry": ("telemetry", "LICENSE")}
_BUILD = "import sys; from setuptools import build_meta as b; to = sys.argv[1]; b.build_sdist(to); b.build_wheel(to)"


def version() -> str:
    """The version of everything that is released together."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def make(target: Path, url: str) -> None:
    """Everything into the folder `target`, which is emptied. CalledProcessError where a build fails."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    install_tools()
    for name in _SOURCES:
        distributions(name, target)
    helm.package(str(ROOT / "charts" / "modelrollout"), destination=str(target))
    bill = json.dumps(bill_of_materials(), indent=1) + "\n"
    (target / f"modelrollout-image-{version()}.cdx.json").write_text(bill)
    (wheel,) = target.glob("modelrollout-*.whl")
    packed = plugin.archive(wheel, version(), target)
    (target / "krew-modelrollout.yaml").write_text(plugin.manifest(packed, version(), url))
    (target / SUMS).write_text(sums(target))


def distributions(name: str, target: Path) -> None:
    """Wheel and sdist of "." or "telemetry": from a copy, where no file of an earlier build lies about."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        for each in _SOURCES[name]:
            source = ROOT / each
            if source.is_dir():
                leave_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", "tests")
                shutil.copytree(source, at / each, ignore=leave_out)
            else:
                shutil.copy(source, at / ("telemetry" if name != "." else ""))
        done = [str(TOOLS / "python"), "-c", _BUILD, str(target.absolute())]
        subprocess.run(done, cwd=at / name, check=True, capture_output=True, timeout=300)


def sums(target: Path) -> str:
    """Lines for `sha256sum --check`, of every file but the one that they go to."""
    files = sorted(path for path in target.iterdir() if path.name != SUMS)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def main() -> int:
    """Make a release's files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--url", default=URL, help="where the plugin's archive will be published")
    given = parser.parse_args()
    make(given.target, given.url)
    print((given.target / SUMS).read_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
