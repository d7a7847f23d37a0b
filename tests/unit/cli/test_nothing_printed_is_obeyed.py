"""What a terminal or a build server would obey is cleaned from everything that lint, judge, status and watch print."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from modelrollout.cli import live
from modelrollout.cli.main import main
from modelrollout.cli.printing import clean
from modelrollout.cli.render import line, render
from tests.unit.api.manifests import manifest

GATE = "{name: errors, type: ErrorRate}"
HEADER = "rollout,time,candidate_bad,candidate_total,stable_bad,stable_total"
HOSTILE = (
    "\x1b[2J",
    "\x1b]0;owned\x07",
    "\x9b31m",
    "\u202egnp.exe",
    "\u2066hidden\u2069",
    "\u200b",
    "\ufeff",
    "\x7f",
    "\r0 problems",
    "\n::error file=a.py,line=1::forged",
    "::stop-commands::token",
    "::set-output name=a::b",
    "##[error]forged",
    "##vso[task.setvariable variable=a]b",
    "\u2028::warning::forged",
    "\U000e0041",
)
ANY_TEXT = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20), min_size=1, max_size=4).map("".join)


def obeyed(text: str) -> list[str]:
    """The lines of an output that are no plain text, or a command."""
    found = []
    for row in text.removesuffix("\n").split("\n"):
        command = row.lstrip().startswith("::") and "::" in row.lstrip()[2:] and row.lstrip()[2:3].isalpha()
        if command or not row.isprintable() or "##[" in row or "##vso[" in row:
            found.append(row)
    return found


@pytest.mark.alike(4)
@pytest.mark.parametrize("text", HOSTILE)
def test_the_check_itself_finds_every_kind(text: str):
    assert obeyed(text)
    assert not obeyed(clean(text))


@pytest.mark.parametrize("text", ["fd00::1", "http://[::1]:9090", "a::b", "## 3 gates", "a: b", "\u00fc \u6f22 %"])
def test_what_is_harmless_stays_as_it_is(text: str):
    assert clean(text) == text


@given(ANY_TEXT)
def test_nothing_survives_cleaning(text: str):
    assert obeyed(clean(text)) == []
    assert clean(clean(text)) == clean(text)


@pytest.mark.alike(5)
@pytest.mark.parametrize("text", HOSTILE)
def test_lint_prints_no_name_and_no_value_that_is_obeyed(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = manifest("model.name", text)
    made["spec"][text], made[text] = 1, 1
    made["metadata"] = {"name": text, text: 1, "labels": {text: text, "a": text}, "annotations": {text: text}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(made, allow_unicode=False))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({text: text}, allow_unicode=False))
    assert main(["lint", str(tmp_path / "a.yaml"), "--config", str(tmp_path / "config.yaml")]) == 1
    said = capsys.readouterr()
    assert obeyed(said.out) == obeyed(said.err) == []
    assert len(said.out.splitlines()) >= 7


@pytest.mark.parametrize("text", ["\x1b[2J", "::error ::forged", "\n::error::forged\n", "\u202e", "\udcff"])
def test_a_files_own_name_is_no_command(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path(text).write_text("a: [")
    assert main(["lint", text, f"{text}-missing"]) == 2
    assert main(["judge", "--gate", text, text]) == 1
    said = capsys.readouterr()
    assert obeyed(said.out) == obeyed(said.err) == []


@pytest.mark.alike(5)
@pytest.mark.parametrize("text", [text for text in HOSTILE if not {"\n", "\r"} & set(text)])
def test_judge_prints_no_rollout_that_is_obeyed_and_json_keeps_its_name(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "gate.yaml").write_text(GATE)
    name = f"a{text}" if text == "\ufeff" else text
    (tmp_path / "t.csv").write_text(f'{HEADER}\n"{name}",15,1,5,1,10\n')
    arguments = ["judge", "--gate", str(tmp_path / "gate.yaml"), str(tmp_path / "t.csv")]
    assert main(arguments) == 0
    assert obeyed(capsys.readouterr().out) == []
    assert main([*arguments, "--json"]) == 0
    out = capsys.readouterr().out
    assert obeyed(out) == []
    assert json.loads(out)["rollout"] == name.strip()
    (tmp_path / "t.csv").write_text(f'{HEADER}\n"{name}",15,{text},5,1,10\n"{name}",15,1,5,1,10\n')
    assert main(arguments) == 1
    assert obeyed(capsys.readouterr().err) == []


def hostile_object(text: str) -> dict[str, object]:
    gate = {
        "name": text, "type": text, "verdict": "FAIL", "reason": text, "message": text, "layer": text,
        "observed": text, "stable": text, "limit": text, "samples": text, "evidence": text, "eta": text,
    }  # fmt: skip
    status = {
        "phase": "Stepping", "reason": text, "message": text, "stable": text, "candidate": text, "gates": [gate],
        "weight": {"desired": 5}, "warnings": [text],
    }  # fmt: skip
    return {"metadata": {"name": text, "namespace": text}, "status": status}


@pytest.mark.alike(12)
@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [24, 80, 200])
def test_status_and_watch_show_no_text_of_the_cluster_that_is_obeyed(text: str, width: int):
    obj = hostile_object(text)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render(obj, 5, 0.0))
    with live._show_lines(console) as update:
        update(obj, 5)
    assert obeyed(console.file.getvalue()) == []  # type: ignore[attr-defined]
    assert "cannot read" not in line(obj, 5)


def test_a_status_that_cannot_be_read_is_cleaned_too():
    obj = {"metadata": {"name": "digits"}, "status": {"phase": "\x1b[2J", "message": "\n::error::forged"}}
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(render(obj, 5, 0.0))
    assert obeyed(console.file.getvalue()) == []  # type: ignore[attr-defined]


def test_a_terminal_without_unicode_gets_question_marks_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.yaml").write_text('kind: ModelRollout\nmetadata: {name: "d\u0456gits"}\n')
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["lint", str(tmp_path / "a.yaml")]) == 1
    out.seek(0)
    assert 'metadata.name is "d?gits"' in out.read()
