from __future__ import annotations

import importlib.util
import io
import re
import sys
from pathlib import Path

import pytest
import yaml

from modelrollout.cli.main import main
from tests.golden.problems import NO_YAML
from tests.unit.api.bad_input import TABLE, Bad
from tests.unit.api.manifests import GOOD, manifest

CONFIG = """\
prometheus: [{name: default, url: "http://prometheus:9090", allowQueries: %s}]
gateways: [{namespace: infra}]
"""


def lint(tmp_path: Path, text: str, *more: str) -> tuple[int, Path]:
    path = tmp_path / "rollout.yaml"
    path.write_text(text)
    return main(["lint", str(path), *more]), path


def test_a_good_manifest_is_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, _ = lint(tmp_path, yaml.safe_dump(GOOD))
    said = capsys.readouterr()
    assert (code, said.out) == (0, "")
    assert said.err.startswith("1 ModelRollout ")


@pytest.mark.parametrize(("namespace", "code"), [(None, 1), ("vision", 1), ("canary", 0)])
def test_who_comes_after_itself_never_starts(
    namespace: str | None, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    obj = manifest()
    obj["metadata"] = {"name": "digits", "namespace": "vision"}
    obj["spec"]["after"] = {"name": "digits"} | ({"namespace": namespace} if namespace else {})
    assert lint(tmp_path, yaml.safe_dump(obj))[0] == code
    assert ("spec.after names this ModelRollout itself" in capsys.readouterr().out) == bool(code)


@pytest.mark.alike(5)
@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
def test_lint_reports_everything_that_the_operator_refuses(
    bad: Bad, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, path = lint(tmp_path, yaml.safe_dump(manifest(bad.path, bad.value)))
    out = capsys.readouterr().out
    assert code == 1
    assert out.startswith(f"{path}:")
    assert bad.field in out


TWO_DOCUMENTS = """\
kind: Service
apiVersion: v1
---
apiVersion: modelrollout.dev/v1alpha1
kind: ModelRollout
metadata: {name: digits}
spec:
  model: {name: digits, version: "2"}
  serving: {service: "digits-v{version}", prot: 80}
  traffic: {gateway: {name: inference, hostnames: [digits.example.com]}}
  steps:
  - {weight: 5, hold: 10m}
  - {weight: 5, hold: 10m}
  bake: 15m
  bake: 20m
  gates: [{name: errors, type: ErrorRate, max: 5}]
extra: 1
"""


def test_findings_carry_line_and_column_of_their_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, path = lint(tmp_path, TWO_DOCUMENTS)
    places = [line.removeprefix(f"{path}:").split(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert code == 1
    assert places == ["9:43", "13:6", "15:3", "16:43", "17:1"]


def test_what_is_missing_is_reported_at_its_parent(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lint(tmp_path, TWO_DOCUMENTS.replace("name: inference, ", ""))
    assert ":10:13: spec.traffic.gateway.name" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("modelrollout.dev/v1alpha1", "modelrollout.dev/v1", "apiVersion"),
        ("kind: ModelRollout", "kind: ModelRolout", "kind"),
        ("{name: digits}", "{name: Digits}", "metadata.name"),
        ("metadata: {name: digits}\n", "", "metadata"),
        ("spec:", "spek:", "spec"),
    ],
)
def test_the_envelope_is_checked_too(
    before: str, after: str, names: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, _ = lint(tmp_path, TWO_DOCUMENTS.replace(before, after, 1))
    assert code == 1
    assert re.search(rf":\d+:\d+: {re.escape(names)} ", capsys.readouterr().out)


def test_a_list_of_resources_is_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    items = [GOOD, manifest("steps.0.weight", 0)]
    code, _ = lint(tmp_path, yaml.safe_dump({"kind": "List", "apiVersion": "v1", "items": items}))
    said = capsys.readouterr()
    assert code == 1
    assert "spec.steps[0].weight" in said.out
    assert said.err.startswith("2 ModelRollouts")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (NO_YAML["an_open_bracket"], ":2:1: "),
        (NO_YAML["a_control_character"], ":2:6: "),
        (NO_YAML["an_alias_of_itself"], ":1:4: "),
        (NO_YAML["too_deep"], ":1:67: "),
        ("a: " + "[" * 1100 + "]" * 1100, ": nested too deeply"),  # where depends on libyaml
        ("a: " + "[\n" * 1100 + "]" * 1100, ":64:1: "),
        (NO_YAML["a_word_for_a_number"], ":2:4: "),
        (NO_YAML["another_languages_object"], ":1:4: "),
        (NO_YAML["a_number_of_a_thousand_digits"], ":1:4: "),
        (NO_YAML["a_bomb"], ":1:1: "),
    ],
)
def test_what_is_no_yaml_is_a_finding_with_a_place(
    text: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, _ = lint(tmp_path, text)
    assert code == 1
    assert place in capsys.readouterr().out


def test_an_unreadable_file_ends_with_2_and_the_others_are_still_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    code, path = lint(tmp_path, TWO_DOCUMENTS, str(tmp_path / "missing.yaml"), str(tmp_path / "binary.yaml"))
    said = capsys.readouterr()
    assert code == 2
    assert f"{path}:13:6" in said.out
    assert [Path(line.split(":")[0]).name for line in said.err.splitlines()[:2]] == ["missing.yaml", "binary.yaml"]


def test_stdin_is_a_file_called_dash(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TWO_DOCUMENTS.encode())))
    assert main(["lint", "-"]) == 1
    assert capsys.readouterr().out.startswith("-:9:43: ")


@pytest.mark.slow
def test_the_operators_configuration_says_which_servers_take_query_gates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG % "false")
    code, _ = lint(tmp_path, yaml.safe_dump(GOOD), "--config", str(config))
    assert code == 1
    assert "allowQueries" in capsys.readouterr().out
    config.write_text(CONFIG % "true")
    assert lint(tmp_path, yaml.safe_dump(GOOD), "--config", str(config))[0] == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("resync: 5s\nprometheus:\n- url: p:9090\n", ":3:3: prometheus[0].url"),
        ("a: [", "config.yaml:2:1: "),
        ("", "config.yaml:1:1: prometheus"),
    ],
)
def test_a_broken_configuration_is_a_problem_too(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    assert lint(tmp_path, yaml.safe_dump(GOOD), "--config", str(config))[0] == 1
    assert says in capsys.readouterr().err
    assert lint(tmp_path, yaml.safe_dump(GOOD), "--config", str(tmp_path / "nowhere"))[0] == 2


OURS = "{name: Ours, requests: a_total, label: upstream, backend: '{service}', status: code%s}"


@pytest.mark.parametrize(
    ("spoken", "more", "code", "says"),
    [
        ("Ours", "", 0, ""),
        ("Ourz", "", 1, ":2:12: dialects.example.com/c is \"Ourz\": choose 'Traefik', 'Istio',"),
        ("Ours", ", refusals: '('", 1, 'customDialects[0].refusals is "(": write a regular expression (RE2)'),
        ("Ours", ", durations: a_seconds_bucket, unit: ms", 0, "write unit: s, unless the name is wrong"),
        ("Ours", ", durations: a-b", 1, "write a metric's name"),
    ],
)
def test_a_configuration_is_checked_by_itself(
    spoken: str, more: str, code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Every sentence names the field, its value, whatever dots are in its name, and the fix."""
    config = tmp_path / "config.yaml"
    server = "prometheus: [{url: 'http://p:9090', gatewayMatchers: 'job=\"gateway\"'}]"
    config.write_text(f"{server}\ndialects: {{example.com/c: {spoken}}}\ncustomDialects:\n- {OURS % more}\n")
    assert main(["lint", "--config", str(config)]) == code
    said = capsys.readouterr().err
    assert says in said
    assert bool(said) == bool(says)


def test_nothing_to_check_is_said(capsys: pytest.CaptureFixture[str]):
    assert main(["lint"]) == 2
    assert "name a FILE" in capsys.readouterr().err


def test_help_teaches_every_command_with_an_example(capsys: pytest.CaptureFixture[str]):
    for command in ("status", "approve", "abort", "pause", "resume", "retry", "promote", "lint"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert f"kubectl modelrollout {command} " in capsys.readouterr().out


def test_without_libyaml_documents_are_read_as_well(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "yaml._yaml", None)
    spec = importlib.util.find_spec("modelrollout.cli.yamldoc")
    assert spec is not None
    assert spec.loader is not None
    slow = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "modelrollout.cli.yamldoc", slow)
    spec.loader.exec_module(slow)
    assert issubclass(slow._Loader, yaml.scanner.Scanner)
    (found,) = slow.documents("spec:\n  steps: [{weight: 5}]\n")
    assert found.place(("spec", "steps", 0, "weight")) == slow.Place(2, 12)


@pytest.mark.parametrize(
    ("key", "line"), [("y", 3), ("0x10", 3), ("~", 3), ("2.50", 3), ('"y"', 3)], ids=["true", "16", "null", "2.5", "y"]
)
def test_a_key_that_is_no_text_is_found_on_its_line(
    key: str, line: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    _, path = lint(tmp_path, f"apiVersion: modelrollout.dev/v1alpha1\nkind: ModelRollout\n{key}: 1\n")
    assert f"{path}:{line}:1: " in capsys.readouterr().out


def test_a_tab_alone_in_its_line_is_a_tab(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _, path = lint(tmp_path, " \n\t\n")
    assert f"{path}:2:1: this is not YAML: a tab cannot stand here" in capsys.readouterr().out
