from __future__ import annotations

import re

import pytest

from tests import ROOT
from tests.unit.repository.declared import LOCKS, Pin, by_name, pins, project, requirements

DECLARED = {
    "operator": requirements(".", "notifications", "prober"),
    "test": requirements(".", "notifications", "prober", "stores", "parquet", "report", "tensorboard", "test", "lab")
    | requirements("telemetry", "onnx", "prometheus"),
    "torch": {"torch": requirements("telemetry", "torch")["torch"]},
    "parquet": by_name(re.findall(r"^\w.*", (LOCKS / "parquet.in").read_text(), re.MULTILINE)),
    "build": by_name(project(".")["build-system"]["requires"]),
    "release": by_name(re.findall(r"^\w.*", (LOCKS / "release.in").read_text(), re.MULTILINE)),
    "site": by_name(re.findall(r"^\w.*", (LOCKS / "site.in").read_text(), re.MULTILINE)),
    "mlflow": by_name(re.findall(r"^\w.*", (LOCKS / "mlflow.in").read_text(), re.MULTILINE)),
    "triton": by_name(re.findall(r"^\w.*", (LOCKS / "triton.in").read_text(), re.MULTILINE)),
}


def test_every_lock_belongs_to_a_declaration():
    assert sorted(path.stem for path in LOCKS.glob("*.lock")) == sorted(DECLARED)


@pytest.mark.parametrize("lock", DECLARED)
def test_a_lock_pins_what_is_declared_in_the_range_that_is_declared(lock: str):
    pinned = pins(lock)
    outside = [
        f"{requirement} but {lock}.lock has {[str(pin.version) for pin in pinned.get(name, [])]}: make lock"
        for name, requirement in DECLARED[lock].items()
        if not pinned.get(name) or not all(pin.version in requirement.specifier for pin in pinned[name])
    ]
    assert not outside


@pytest.mark.parametrize("lock", DECLARED)
def test_every_pin_has_hashes_and_no_lock_names_a_host(lock: str):
    assert [name for name, several in pins(lock).items() if not all(pin.hashes for pin in several)] == []
    assert not re.search(r"://|--(?:extra-)?index-url|--find-links", (LOCKS / f"{lock}.lock").read_text())


def _windows_alone(pin: Pin) -> bool:
    """Not shipped: the image runs Linux."""
    return "sys_platform == 'win32'" in (pin.marker or "")


@pytest.mark.parametrize("lock", ["operator", "parquet", "build", "torch"])
def test_tests_run_on_the_versions_that_are_shipped(lock: str):
    tested = pins("test")
    shared = {name: several for name, several in pins(lock).items() if lock != "torch" or name in tested}
    shared = {name: several for name, several in shared.items() if not all(_windows_alone(pin) for pin in several)}
    assert shared == {name: tested.get(name) for name in shared}


def test_what_the_image_may_have_besides_is_the_packages_extra():
    assert DECLARED["parquet"]["pyarrow"] == requirements(".", "parquet")["pyarrow"]


def test_both_packages_are_built_by_the_same_tool():
    assert project("telemetry")["build-system"] == project(".")["build-system"]
    assert by_name((LOCKS / "build.in").read_text().splitlines()[1:]) == DECLARED["build"]


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile", "README.md", ".ci/run"])
def test_what_our_own_commands_install_is_locked(file: str):
    """An install has hashes or no dependencies; only the lock's tool and the newest versions come as they are."""
    commands = re.findall(r"[^&`\n]*(?:pip install|\$\(PIP\))[^&`\n]*", (ROOT / file).read_text())
    free = re.compile(r"--require-hashes|--no-deps|^PIP :=|\.venv-(?:lock|newest)/")
    assert commands or file == ".ci/run"
    assert [command for command in commands if not free.search(command)] == []
