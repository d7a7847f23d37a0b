"""Controllers of others are built from their modules as they are, but for the texts that are named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.install import go_toolchain
from tests.lab.install.envoy_gateway_program import ENVOY_GATEWAY
from tests.lab.install.go_program import CannotBuildError, Change, Program, keep_definitions
from tests.lab.session.door import Door
from tests.lab.session.on_demand import Answering, asked_for


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing built, and no Go."""
    monkeypatch.setenv("MODELROLLOUT_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(go_toolchain, "go_refusal", lambda _: "there is no Go 1.26 or newer")
    return monkeypatch


@pytest.mark.usefixtures("bare")
def test_without_go_it_is_said_what_cannot_be_built_and_what_to_do() -> None:
    said = f"{ENVOY_GATEWAY.title} cannot be built: there is no Go 1.26 or newer"
    with pytest.raises(CannotBuildError, match=f"^{said}$"):
        ENVOY_GATEWAY.build()
    with pytest.raises(CannotBuildError, match=f"^{said}; go without$"):
        dataclasses.replace(ENVOY_GATEWAY, otherwise="go without").build()
    assert ENVOY_GATEWAY.refusal() == "there is no Go 1.26 or newer"


def test_a_programs_version_stands_in_its_go_mod() -> None:
    path, version = ENVOY_GATEWAY.required
    assert ENVOY_GATEWAY.package.startswith(path)
    assert version.removeprefix("v") in ENVOY_GATEWAY.folder.name


def test_other_changes_are_another_build() -> None:
    other = dataclasses.replace(ENVOY_GATEWAY, changes=ENVOY_GATEWAY.changes[1:])
    assert other.folder != ENVOY_GATEWAY.folder


@pytest.fixture
def module(tmp_path: Path) -> tuple[Program, Path]:
    """A program, and its module as it was downloaded."""
    source, original = tmp_path / "program", tmp_path / "original"
    for folder in (source, original):
        folder.mkdir()
    (source / "go.mod").write_text("module ours\n\nrequire example.com/theirs v1.2.3\n")
    (original / "main.go").write_text('a = "/certs"\nb = "/certs"\n')
    return Program(source, "example.com/theirs/cmd/it", "*.yaml"), original


def test_what_is_changed_is_changed_in_a_copy_that_the_build_takes(
    module: tuple[Program, Path], tmp_path: Path
) -> None:
    program, original = module
    changed = dataclasses.replace(program, changes=(Change("main.go", '"/certs"', '"certs"', times=2),))
    where = changed._changed(original, tmp_path / "copy")
    assert (where / "module" / "main.go").read_text() == 'a = "certs"\nb = "certs"\n'
    assert (original / "main.go").read_text() == 'a = "/certs"\nb = "/certs"\n'
    assert "replace example.com/theirs => ./module" in (where / "go.mod").read_text()


def test_a_module_in_which_the_text_is_not_as_expected_is_not_built(
    module: tuple[Program, Path], tmp_path: Path
) -> None:
    program, original = module
    once = dataclasses.replace(program, changes=(Change("main.go", '"/certs"', '"certs"'),))
    with pytest.raises(AssertionError, match=r"main\.go differs from what is changed"):
        once._changed(original, tmp_path / "copy")


def test_definitions_are_kept_without_what_is_no_definition(tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = [{"kind": "CustomResourceDefinition", "n": 1}, {"kind": "Kustomization"}]
    (tmp_path / "a-crd.yaml").write_text(yaml.safe_dump_all(bodies))
    keep_definitions([tmp_path / "a-crd.yaml"], tmp_path / "definitions.json")
    assert yaml.safe_load((tmp_path / "definitions.json").read_text()) == bodies[:1]


def test_what_a_member_asks_for_is_started_once_and_told_to_all(tmp_path: Path) -> None:
    door, lab, started = Door("infra", "envoy", "127.0.0.1:1", "127.0.0.1:2"), Answering(tmp_path), []

    def start() -> Door:
        started.append(1)
        return door

    lab.answer(start)
    assert not started, "nobody has asked"
    with pytest.raises(RuntimeError, match="did not start Envoy Gateway within 0 s"):
        asked_for(tmp_path, 0)
    for _ in range(2):
        lab.answer(start)
    assert [asked_for(tmp_path, 0) for _ in range(2)] == [door, door]
    assert len(started) == 1


def test_why_it_did_not_start_is_told_to_all(tmp_path: Path) -> None:
    def start() -> Door:
        raise OSError("no port is free")

    with pytest.raises(RuntimeError, match="within 0 s"):
        asked_for(tmp_path, 0)
    Answering(tmp_path).answer(start)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="Envoy Gateway did not start: no port is free"):
            asked_for(tmp_path, 0)
