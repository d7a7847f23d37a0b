"""The lab runs the newest Kubernetes that can be built, or the one that was asked for, and says which and why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lab.install import debian_source, go_modules, go_toolchain, provision
from tests.lab.install.kubernetes_release import ASSETS, DEBIAN, MODULES, Release, Version, release

NEWEST, OLDEST = Version.read(go_modules.version()), Version(1, 20, 2)


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing asked for, nothing built, and Go modules at hand."""
    monkeypatch.delenv("KUBERNETES", raising=False)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(go_modules, "is_built", lambda: False)
    monkeypatch.setattr(go_modules, "refusal", lambda: "")
    return monkeypatch


def choose() -> Release:
    return release.__wrapped__()


def test_the_newest_is_run_where_go_modules_are_at_hand(chosen: pytest.MonkeyPatch) -> None:
    assert choose() == Release(NEWEST, MODULES)


def test_without_go_the_oldest_is_run_and_the_reason_said(chosen: pytest.MonkeyPatch) -> None:
    chosen.setattr(go_modules, "refusal", lambda: "there is no Go 1.26 or newer")
    found = choose()
    assert (found.version, found.origin) == (OLDEST, DEBIAN)
    assert found.why == f"Kubernetes 1.20.2 instead of {NEWEST}: there is no Go 1.26 or newer"


def test_what_is_built_needs_no_go_any_more(chosen: pytest.MonkeyPatch) -> None:
    chosen.setattr(go_modules, "refusal", lambda: "there is no Go 1.26 or newer")
    chosen.setattr(go_modules, "is_built", lambda: True)
    assert choose() == Release(NEWEST, MODULES)


@pytest.mark.parametrize(
    ("asked", "version"), [("1.20", OLDEST), ("1.20.2", OLDEST), ("1.36", NEWEST), (str(NEWEST), NEWEST)]
)
def test_the_one_asked_for_is_run(chosen: pytest.MonkeyPatch, asked: str, version: Version) -> None:
    chosen.setenv("KUBERNETES", asked)
    assert choose().version == version


def test_an_unknown_one_is_refused_with_those_that_are_known(chosen: pytest.MonkeyPatch) -> None:
    chosen.setenv("KUBERNETES", "1.29")
    with pytest.raises(ValueError, match=rf"KUBERNETES is '1\.29'; the lab knows {NEWEST} and 1\.20\.2"):
        choose()


def test_the_users_own_binaries_come_first_and_say_their_version(chosen: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script(tmp_path / "kube-apiserver", "echo Kubernetes v1.31.4")
    script(tmp_path / "etcd", "true")
    chosen.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    chosen.setenv("KUBERNETES", "1.20")
    found = choose()
    assert (found.version, found.origin) == (Version(1, 31, 4), ASSETS)
    assert found.binary("etcd") == tmp_path / "etcd"
    with pytest.raises(FileNotFoundError, match="it has no kube-controller-manager"):
        found.binary("kube-controller-manager")


def test_a_version_knows_what_it_can_do() -> None:
    can = ("has_rules", "has_slices_v1", "has_slices_v1beta1", "has_insecure_port")
    able = {text: [getattr(Version.read(text), each) for each in can] for text in ("1.20.2", "1.24.17", "1.36.3")}
    assert able == {
        "1.20.2": [False, False, True, True],
        "1.24.17": [False, True, True, False],
        "1.36.3": [True, True, False, False],
    }


def test_an_old_go_is_no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(go_toolchain, "PLACES", ())
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for version, found in (("go1.25.9", None), ("go1.26.0", tmp_path / "go"), ("devel", None)):
        script(tmp_path / "go", f"echo {version}")
        assert go_toolchain.go.__wrapped__() == found, version


def test_another_go_mod_is_another_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = go_modules.folder.__wrapped__()
    for module in ("etcd", "kubernetes"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "go.mod").write_text("module other\n")
    monkeypatch.setattr(go_modules, "FOLDER", tmp_path)
    assert go_modules.folder.__wrapped__() != before


@pytest.fixture
def bare_machine(chosen: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A Debian without any package of the lab's."""
    chosen.setattr(shutil, "which", lambda _: None)
    chosen.setattr(debian_source, "is_built", lambda: False)
    chosen.setattr(debian_source, "go_folder", lambda: None)
    chosen.setattr(debian_source, "REFLECT2", tmp_path / "none")
    return chosen


def test_a_build_from_debians_source_asks_for_debians_go(bare_machine: pytest.MonkeyPatch) -> None:
    bare_machine.setattr(provision, "release", lambda: Release(OLDEST, DEBIAN))
    assert {"etcd-server", "golang-go", "golang-github-modern-go-reflect2-dev"} < set(provision.missing_packages())


def test_a_build_from_go_modules_asks_debian_for_no_compiler_and_no_etcd(bare_machine: pytest.MonkeyPatch) -> None:
    bare_machine.setattr(provision, "release", lambda: Release(NEWEST, MODULES))
    missing = provision.missing_packages()
    assert "prometheus" in missing
    assert not {"etcd-server", "golang-go", "rsync"} & set(missing)


def script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
