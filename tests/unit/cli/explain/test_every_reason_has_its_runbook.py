"""Every reason and alert has a section, each section has its three lines, and what is typed there can be typed."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import get_args

import pytest
import yaml

from modelrollout.cli.main import main, parser
from modelrollout.cli.runbooks import PAGES, page, sections
from modelrollout.core.reasons import GateReason, MetricsReason, Reason
from modelrollout.ports import ApiReason
from tests import ROOT
from tests.docs.runbooks import FOLDER, files

RULES = yaml.safe_load((ROOT / "charts" / "modelrollout" / "files" / "alerts.yaml").read_text())
ALERTS = {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
REASONS = {*get_args(Reason), *get_args(GateReason), *get_args(MetricsReason), *get_args(ApiReason)}
SITUATIONS = {"DeadNeurons", "NonFinite", "QuantizationMismatch", "HardwareMismatch", "DistributionShift"}
TYPED = re.compile(r"`(kubectl [^`]+)`")
KUBECTL = {"get", "logs", "auth", "api-resources"}
"""Verbs of kubectl itself that the pages use; none of them changes anything."""


def test_every_reason_alert_and_situation_has_a_section_and_nothing_else_has():
    assert sections().keys() == REASONS | ALERTS | SITUATIONS
    titles = [title for name in PAGES for title in re.findall(r"^## (\w+)$", page(name), re.MULTILINE)]
    assert len(titles) == len(set(titles))


def test_every_section_says_what_it_is_how_to_tell_what_to_type_and_how_to_come_back():
    for name, (_, text) in sections().items():
        first, *lines = text.splitlines()
        assert first.endswith("."), name
        assert [line.partition(":")[0] for line in lines] == ["- Tell", "- Type", "- Back"], name
        assert all(line.rstrip().endswith((".", "?")) for line in lines), name


def typed() -> list[tuple[str, str]]:
    return [(name, command) for name, (_, text) in sections().items() for command in TYPED.findall(text)]


def test_every_command_of_the_plugin_parses_with_what_it_needs():
    commands = [(name, shlex.split(text)[2:]) for name, text in typed() if text.startswith("kubectl modelrollout")]
    assert len(commands) > 80
    for name, words in commands:
        if words == ["explain", "REASON"]:
            continue
        args = parser().parse_args(words)
        assert isinstance(args, argparse.Namespace), name
        assert getattr(args, "namespace", "NAMESPACE") == "NAMESPACE", f"{name}: {words} names no namespace"
        if words[0] == "explain":
            assert args.reason in sections(), name


def test_every_other_command_reads_only():
    others = {text.split()[1] for _, text in typed() if not text.startswith("kubectl modelrollout")}
    assert others == KUBECTL


def test_the_alerts_lead_to_their_sections():
    for group in RULES["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
                assert (ROOT / path).is_file()
                assert f"## {rule['alert']}\n" in (ROOT / path).read_text()
                assert anchor == rule["alert"].lower()


def test_the_pages_of_docs_are_those_of_the_plugin():
    found = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert found == files(), "run `make docs`"


@pytest.mark.parametrize("asked", ["GateFailed", "gatefailed", "MODELROLLOUTDRIFT"])
def test_a_name_is_explained_however_its_letters_are(asked: str, capsys: pytest.CaptureFixture[str]):
    assert main(["explain", asked]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].lower() == asked.lower()
    assert "- Back: " in shown
    assert "](" not in shown


@pytest.mark.parametrize(
    ("asked", "hint"), [("GateFaild", "do you mean GateFailed?"), ("\x1b[31m" * 500, "lists every name"), ("", "lists")]
)
def test_a_name_that_does_not_exist_is_refused_with_what_is_near(
    asked: str, hint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["explain", asked]) == 1
    said = capsys.readouterr().err
    assert hint in said or len(asked) > 100
    assert "\x1b" not in said


def test_without_a_name_every_one_is_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["explain"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in sections())
