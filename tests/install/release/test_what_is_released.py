"""What `make release` puts into dist/: each part is whole, agrees with the others, and is named by its checksum."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.adapters.kubernetes.snapshot_kind import snapshot_crd
from modelrollout.api.crd import crd
from modelrollout.api.problems import read_spec
from tests import ROOT
from tests.install.release.artifacts import SUMS, make, version
from tests.install.release.materials import LOCK, bill_of_materials, installed_with, python_of_the_image, versions
from tests.install.test_chart_renders import CHART

URL = "https://releases.example.com/v1/"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("release") / "dist"
    make(target, URL)
    return target


@pytest.mark.slow
def test_every_part_is_there_and_whole(dist: Path):
    names = {
        f"activation_health-{version()}-py3-none-any.whl",
        f"activation_health-{version()}.tar.gz",
        f"modelrollout-{version()}-py3-none-any.whl",
        f"modelrollout-{version()}.tar.gz",
        f"modelrollout-{version()}.tgz",
        f"modelrollout-image-{version()}.cdx.json",
        f"kubectl-modelrollout-{version()}.tar.gz",
        "krew-modelrollout.yaml",
    }
    assert {path.name for path in dist.iterdir()} == names | {SUMS}
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", SUMS], cwd=dist, capture_output=True, text=True, check=True
    )
    assert done.stdout.count(": OK") == len(names)
    the_wheels_hold_every_module(dist)
    the_plugin_is_the_one_that_its_manifest_names(dist)


def the_wheels_hold_every_module(dist: Path) -> None:
    for name, folder in {"modelrollout": "operator", "activation_health": "telemetry"}.items():
        (wheel,) = dist.glob(f"{name}-*.whl")
        packed = {each for each in zipfile.ZipFile(wheel).namelist() if each.endswith(".py")}
        source = ROOT / folder
        assert packed == {str(path.relative_to(source)) for path in (source / name).rglob("*.py")}


def the_plugin_is_the_one_that_its_manifest_names(dist: Path) -> None:
    found = yaml.safe_load((dist / "krew-modelrollout.yaml").read_text())
    (platform,) = found["spec"]["platforms"]
    packed = dist / platform["uri"].rpartition("/")[2]
    assert platform["uri"].startswith(URL)
    assert platform["sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert found["spec"]["version"] == f"v{version()}"
    with tarfile.open(packed) as opened:
        modes = {each.name: each.mode for each in opened.getmembers()}
        script = opened.extractfile(platform["bin"])
        assert script is not None
        subprocess.run(["sh", "-n"], input=script.read(), check=True)
    assert modes[platform["bin"]] == 0o755
    assert set(modes) == {platform["bin"], "operator.lock", "LICENSE", f"modelrollout-{version()}-py3-none-any.whl"}


@pytest.mark.slow
def test_the_bill_names_what_the_lock_pins_for_the_images_python_with_hashes():
    bill = bill_of_materials()
    pinned = installed_with(LOCK.read_text(), python_of_the_image())
    pins = dict(line.split()[0].split("==") for line in pinned.splitlines() if not line.startswith((" ", "#")))
    assert versions(bill) == pins | {"modelrollout": version()}
    hashes = [each["externalReferences"][0]["hashes"] for each in bill["components"]]
    assert all(hashes)
    assert bill["bomFormat"] == "CycloneDX"
    assert bill == bill_of_materials(), "another bill for the same lock"


def test_what_another_python_installs_is_left_out():
    lock = "a==1 ; python_full_version < '3.12' \\\n    --hash=sha256:1\nb==2 \\\n    --hash=sha256:2\n    # via a\n"
    assert installed_with(lock, "3.11.2") == "a==1 \\\n    --hash=sha256:1\nb==2 \\\n    --hash=sha256:2\n    # via a\n"
    assert installed_with(lock, "3.12.11") == "b==2 \\\n    --hash=sha256:2\n    # via a\n"


@pytest.mark.slow
def test_the_plugin_runs_through_a_link_and_says_which_python_it_needs(dist: Path, tmp_path: Path):
    """What pip installs stands for itself: here an environment is there already."""
    with tarfile.open(dist / f"kubectl-modelrollout-{version()}.tar.gz") as opened:
        opened.extractall(tmp_path / "store", filter="data")
    link = tmp_path / "kubectl-modelrollout"
    link.symlink_to(tmp_path / "store" / "kubectl-modelrollout")
    python = tmp_path / "kubectl-modelrollout-cache" / "kubectl-modelrollout" / version() / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    env = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path / "kubectl-modelrollout-cache"), "HOME": "/"}
    run = functools.partial(subprocess.run, [str(link), "--version"], capture_output=True, text=True, timeout=60)
    assert run(env=env, check=True).stdout == f"modelrollout {version()}\n"
    refused = run(env=env | {"PYTHON": "/bin/false"}, check=False)
    assert refused.returncode == 1
    assert "Python 3.11 or newer with venv is needed; name one in PYTHON" in refused.stderr


def notes() -> dict[str, Any]:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    found = about["annotations"]
    return {key.partition("/")[2]: yaml.safe_load(text) for key, text in found.items()} | {"app": about["appVersion"]}


def test_the_charts_annotations_say_what_the_chart_has():
    found = notes()
    names = [each["metadata"]["name"] for each in (crd(), snapshot_crd())]
    assert [each["name"] for each in found["crds"]] == names
    assert [each["kind"] for each in found["crds"]] == [
        each["spec"]["names"]["kind"] for each in (crd(), snapshot_crd())
    ]
    assert [each["image"] for each in found["images"]] == [f"modelrollout/operator:{found['app']}"]
    assert found["license"] == "Apache-2.0"


def test_the_charts_example_is_one_that_the_operator_takes():
    (example,) = notes()["crdsExamples"]
    spec, problem = read_spec(example)
    assert problem is None
    assert spec is not None


def test_the_dockerfiles_base_is_pinned_by_its_digest():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (base,) = [line for line in lines if line.startswith("ARG BASE=")]
    assert base.partition("@sha256:")[2].isalnum()
    assert len(base.partition("@sha256:")[2]) == 64
    assert [line for line in lines if line.startswith("FROM ")] == ["FROM ${BASE} AS build", "FROM ${BASE}"]
